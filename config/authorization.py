"""Which callers are authorized to call a service, as identities in the mesh."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from config.environment import Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.services.service import Service

WHOLE_NAMESPACE = "*"


@dataclass(frozen=True)
class Caller:
    """Pods that are authorized to call a service.

    Attributes:
        namespace: their namespace.
        account: their Kubernetes service account; `WHOLE_NAMESPACE` for every account of the namespace.
        ports: the ports that they may call; empty for all.
    """

    namespace: str
    account: str
    ports: tuple[int, ...] = ()


def authorized_callers(environment: Environment, name: str) -> tuple[Caller, ...]:
    """Return the authorized callers of a service: the gateways, for the ports with routes, and its ``allow_from``.

    So are the callers of a service whose requests are mirrored to it, as the copies have their identity. A name that no
    service has is left out; `config.validation.services` has refused it.
    """
    service = environment.all_services()[name]
    found = list(_direct_callers(environment, service))
    for other in environment.services.values():
        if other.mirror is not None and other.mirror.service == name:
            found += _mirrored_callers(environment, other, service)
    return tuple(dict.fromkeys(found))


def _direct_callers(environment: Environment, service: Service) -> Iterator[Caller]:
    ports = tuple(one.port for one in service.all_ports.values())
    routed = {service.routed_port(route).port for route in service.routes if route.redirect is None}
    if routed and environment.ingress.enabled:
        yield Caller(GATEWAY_NAMESPACE, GATEWAY_NAME, tuple(port for port in ports if port in routed))
    yield from _callers(environment, service.allow_from, ports)


def _mirrored_callers(environment: Environment, service: Service, target: Service) -> Iterator[Caller]:
    """Yield the callers of a service, for the ports of another one to which their requests are mirrored."""
    mirrored = service.mirrored_ports(target)
    for caller in _direct_callers(environment, service):
        if ports := tuple(mirrored[port] for port in caller.ports if port in mirrored):
            yield replace(caller, ports=ports)


def namespace_callers(environment: Environment, name: str) -> tuple[Caller, ...]:
    """Return the callers that are authorized to call all pods of a namespace."""
    given = environment.mesh.namespaces.get(name)
    return () if given is None else tuple(dict.fromkeys(_callers(environment, given.allow_from)))


def _callers(environment: Environment, allow_from: Iterable[str], ports: tuple[int, ...] = ()) -> Iterator[Caller]:
    services = environment.all_services()
    for text in allow_from:
        namespace, slash, account = text.partition("/")
        if slash:
            yield Caller(namespace, account, ports)
        elif text in services:
            yield Caller(services[text].namespace, text, ports)
