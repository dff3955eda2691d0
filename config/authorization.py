"""Which callers are authorized to call a service, as identities in the mesh."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from config.environment import Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

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

    A name that no service has is left out; `config.validation.services` has refused it.
    """
    service = environment.all_services()[name]
    ports = tuple(one.port for one in service.all_ports.values())
    routed = {service.routed_port(route).port for route in service.routes if route.redirect is None}
    found = []
    if routed and environment.ingress.enabled:
        found.append(Caller(GATEWAY_NAMESPACE, GATEWAY_NAME, tuple(port for port in ports if port in routed)))
    return tuple(dict.fromkeys([*found, *_callers(environment, service.allow_from, ports)]))


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
