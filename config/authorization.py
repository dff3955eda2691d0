"""Which callers are authorized to call a service, as identities in the mesh."""

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
    services = environment.all_services()
    service = services[name]
    found = []
    if service.route is not None and environment.ingress.enabled:
        found.append(Caller(GATEWAY_NAMESPACE, GATEWAY_NAME))
    for text in service.allow_from:
        namespace, slash, account = text.partition("/")
        if slash:
            found.append(Caller(namespace, account))
        elif text in services:
            found.append(Caller(services[text].namespace, text))
    return tuple(dict.fromkeys(found))
