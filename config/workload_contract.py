"""What another pipeline needs to know to deploy pods into the mesh: the outputs of stack `ingress` for it."""

from typing import Any

from config.environment import Environment
from config.naming import GATEWAY_NAMESPACE, ROUTES_GATEWAY, service_host
from config.routing import ANY_HOST, routed_paths
from config.services.service import Service


def workload_outputs(environment: Environment) -> dict[str, Any]:
    """Return the outputs by name; none if the file leaves nothing to another pipeline.

    - ``injection-labels``: the labels of a namespace whose pods get sidecars.
    - ``namespaces``: the labels of each namespace of the file, which the stack creates.
    - ``workloads``: for each service without an image, what its pods have to be.
    """
    services = {name: one for name, one in environment.services.items() if one.image is None}
    if not services and not environment.mesh.namespaces:
        return {}
    return {
        "injection-labels": environment.injection_labels,
        "namespaces": environment.namespaces(),
        "workloads": {name: _workload(environment, name, one) for name, one in services.items()},
    }


def _workload(environment: Environment, name: str, service: Service) -> dict[str, Any]:
    paths = list(routed_paths({name: service})) if environment.ingress.enabled else []
    return {
        "namespace": service.namespace,
        "service_account": name,
        "pod_labels": {"app": name},
        **({"versions": service.weights} if service.versions else {}),
        "ports": {key: one.port for key, one in service.all_ports.items()},
        "host": service_host(name, service.namespace),
        "regions": list(environment.deployments(service)),
        "gateway": f"{GATEWAY_NAMESPACE}/{ROUTES_GATEWAY}" if paths else None,
        "routes": [{"path": one.path, "match": one.route.match, "host": one.route.host or ANY_HOST} for one in paths],
    }
