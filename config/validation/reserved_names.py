"""Names, ports and users of services that Kubernetes, GKE or the sidecar has already."""

from collections.abc import Iterator

from config.environment import Environment
from config.grammar import reserved
from config.naming import DRAINED_SUFFIX
from config.problems import Problem
from config.services.service import Service


def check_reserved_names(environment: Environment) -> Iterator[Problem]:
    known = environment.all_services()
    for name, service in environment.services.items():
        yield from _check_service(f"services.{name}", name, service)
        base = name.removesuffix(DRAINED_SUFFIX)
        other = known.get(base)
        if base != name and other is not None and other.namespace == service.namespace:
            rule = f"is the name of a second Service of {base} in a drained region"
            yield Problem(f"services.{name}", f"{rule}; choose another", name)
    for name in environment.mesh.namespaces:
        yield from _check_namespace(f"mesh.namespaces.{name}", name)


def _check_namespace(path: str, name: str) -> Iterator[Problem]:
    if name in reserved.NAMESPACES or name.startswith(reserved.NAMESPACE_PREFIXES):
        yield Problem(path, "belongs to the cluster, the mesh or an add-on of Google's; choose another", name)


def _check_service(path: str, name: str, service: Service) -> Iterator[Problem]:
    if name in reserved.SERVICE_NAMES:
        yield Problem(path, f"can't be a service's name: {reserved.SERVICE_NAMES[name]}; choose another")
    yield from _check_namespace(f"{path}.namespace", service.namespace)
    ports = {
        f"{path}.port": service.port,
        **{f"{path}.ports.{key}.port": one.port for key, one in service.ports.items()},
    }
    for place, port in ports.items():
        if port in reserved.SIDECAR_PORTS:
            first, last = reserved.SIDECAR_PORTS[0], reserved.SIDECAR_PORTS[-1]
            rule = (
                f"is one of the sidecar's ports, {first} to {last}, where mutual TLS and policies are not enforced; "
                "choose another"
            )
            yield Problem(place, rule, port)
    if service.user == reserved.SIDECAR_USER:
        rule = "is the sidecar's own user, whose traffic bypasses the sidecar; choose another"
        yield Problem(f"{path}.user", rule, service.user)
