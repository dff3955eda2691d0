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
    """

    namespace: str
    account: str


def authorized_callers(environment: Environment, name: str) -> tuple[Caller, ...]:
    """Return the authorized callers of a service: the gateways if it has a route, and its ``allow_from``.

    A name that no service has is left out; `config.validation.services` has refused it.
    """
    service = environment.all_services()[name]
    found = (
        [Caller(GATEWAY_NAMESPACE, GATEWAY_NAME)] if service.route is not None and environment.ingress.enabled else []
    )
    return tuple(dict.fromkeys([*found, *_callers(environment, service.allow_from)]))


def namespace_callers(environment: Environment, name: str) -> tuple[Caller, ...]:
    """Return the callers that are authorized to call all pods of a namespace."""
    given = environment.mesh.namespaces.get(name)
    return () if given is None else tuple(dict.fromkeys(_callers(environment, given.allow_from)))


def _callers(environment: Environment, allow_from: Iterable[str]) -> Iterator[Caller]:
    services = environment.all_services()
    for text in allow_from:
        namespace, slash, account = text.partition("/")
        if slash:
            yield Caller(namespace, account)
        elif text in services:
            yield Caller(services[text].namespace, text)
