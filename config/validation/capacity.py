"""What is counted: Services against addresses, pods against nodes, and the size of one Kubernetes object."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from config.demo import CLIENT_APP
from config.environment import Environment
from config.plural import counted
from config.problems import Problem
from config.routing import RoutedPath, host_routes
from config.services.scaling import Autoscaling
from config.services.service import Service
from config.validation.nodes import zone_count

SERVICES_OF_THE_CLUSTER = (
    "kubernetes",
    "kube-dns",
    "default-http-backend",
    "metrics-server",
    "gmp-operator",
    "istiod",
)
"""Services that GKE and the mesh create in each cluster, at least. Each takes an address of the services' range."""

KEYS_OF_A_CONTAINER = ("args", "command", "env", "env_from", "probes", "volumes")
"""Keys of a service that can be long, and are all in its Deployment."""

LARGEST_MANIFEST = 240_000
"""Most bytes of `KEYS_OF_A_CONTAINER`, or of callers, of one service.

A deploy keeps each object's manifest in an annotation, and Kubernetes allows 262,144 bytes of annotations; the rest of
a manifest is much less than the difference.
https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
https://github.com/kubernetes/apimachinery/blob/v0.34.2/pkg/api/validation/objectmeta.go (TotalAnnotationSizeLimitB)
"""

ROUTE_SIZE = 430
"""Most bytes of a path in a VirtualService beside texts of its own: 240 of JSON, a namespace, and 130 of the timeout
and the retries without their conditions."""


def check_capacity(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        yield from _check_manifests(f"services.{name}", service)
    yield from _check_routes(environment)
    services = environment.all_services()
    for key, region in environment.regions.items():
        if not region.retired:
            yield from _check_services(environment, key, len(services))
            yield from _check_pods(environment, key, services)


def check_largest_scale(environment: Environment) -> Iterator[Problem]:
    """Warn of autoscalers that want more pods than the nodes run, where the least number of pods has room."""
    if not any(_is_autoscaled(service) for service in environment.services.values()):
        return
    services = environment.all_services()
    for key, region in environment.regions.items():
        if region.retired:
            continue
        least, most = (_pods(environment, key, services, max_pods=largest) for largest in (False, True))
        room, nodes = _room(environment, key)
        wanted = sum(most.values()) + (environment.ingress.max_replicas if environment.ingress.enabled else 0)
        if least != most and wanted > room:
            rule = (
                f"has room for {room} pods on {counted(nodes, 'node')}, and autoscaling goes up to {wanted}, gateways "
                "included: some may stay pending; raise cluster.max_nodes, or lower max_replicas"
            )
            yield Problem(f"regions.{key}", rule)


def _is_autoscaled(service: Service) -> bool:
    """Return whether an autoscaler sets the number of pods in a region."""
    return bool(service.autoscaling or any(one.autoscaling for one in service.regions.values()))


def _check_manifests(path: str, service: Service) -> Iterator[Problem]:
    of_pods = {key: _size(getattr(service, key)) for key in KEYS_OF_A_CONTAINER}
    largest = max(of_pods, key=lambda key: of_pods[key])
    for key, size in ((largest, sum(of_pods.values())), ("allow_from", _size(service.allow_from))):
        if size > LARGEST_MANIFEST:
            rule = (
                f"is {size} bytes in a Kubernetes object, which holds {LARGEST_MANIFEST} at most; keep large values in "
                "the image or in a storage service"
            )
            yield Problem(f"{path}.{key}", rule)


def _check_routes(environment: Environment) -> Iterator[Problem]:
    """Check that the routes of each host fit into one object."""
    services = environment.all_services()
    for one in host_routes(environment):
        sizes = [_route_size(path, services[path.service]) for path in one.paths]
        size = sum(sizes)
        if size > LARGEST_MANIFEST:
            largest = one.paths[sizes.index(max(sizes))]
            rule = (
                f"{len(one.paths)} paths for {', '.join(one.hosts)} are about {size} bytes in a Kubernetes object, "
                f"which holds {LARGEST_MANIFEST} at most; remove paths or headers, or use prefixes (most: "
                f"{largest.service})"
            )
            yield Problem("services", rule)


def _route_size(one: RoutedPath, service: Service) -> int:
    """Return the most bytes of a path in its VirtualService: a prefix that is rewritten has two entries."""
    settings = json.dumps(one.route.model_dump(exclude={"path", "match", "host", "port"}, exclude_defaults=True))
    entries = 2 if one.route.match == "prefix" and one.route.rewrite else 1
    conditions = sum(len(str(condition)) + 1 for condition in service.retries.retry_on)
    return entries * (ROUTE_SIZE + conditions + 2 * len(one.path) + len(one.service) + _size(settings))


def _size(value: object) -> int:
    """Return at most how many bytes a value of the file is in a manifest, with Kubernetes' own keys."""
    match value:
        case str():
            return len(json.dumps(value)) + value.count("$")
        case Mapping():
            return sum(_size(key) + _size(one) + 25 for key, one in value.items())
        case Sequence():
            return sum(_size(one) + 12 for one in value)
        case BaseModel():
            return _size(value.model_dump(exclude_none=True))
    return len(json.dumps(value))


def _check_services(environment: Environment, key: str, own: int) -> Iterator[Problem]:
    """Check that every Service gets an address: each cluster has the Services of all."""
    try:
        network = environment.range_of(key, "services")
    except ValueError:
        return  # check_ranges reports it
    room = network.num_addresses - 2  # Kubernetes leaves out the first and the last
    others = len(SERVICES_OF_THE_CLUSTER)
    if own + others > room:
        rule = (
            f"has {max(room, 0)} addresses for Services, and {own + others} are needed: one for each of {own} services "
            f"in every cluster, and {others} for the cluster's own ({', '.join(SERVICES_OF_THE_CLUSTER)})"
        )
        yield Problem(f"regions.{key}.services", rule, str(network))


def _check_pods(environment: Environment, key: str, services: Mapping[str, Service]) -> Iterator[Problem]:
    room, nodes = _room(environment, key)
    needed = _pods(environment, key, services, max_pods=False)
    of_services = sum(needed.values())
    of_gateways = environment.ingress.min_replicas if environment.ingress.enabled else 0
    if of_services + of_gateways > room:
        largest = max(needed, key=lambda name: needed[name], default="")
        most = f", {needed[largest]} of them of {largest}" if needed else ""
        rule = (
            f"needs {of_services + of_gateways} pods ({of_services} of services{most}, {of_gateways} gateways), and "
            f"its nodes run {room} at most: {nodes} nodes, with {environment.cluster.max_pods_per_node} pods each; "
            "raise cluster.max_nodes, or lower replicas"
        )
        yield Problem(f"regions.{key}", rule)


def _room(environment: Environment, key: str) -> tuple[int, int]:
    """Return how many pods a region runs at most, and on how many nodes."""
    region = environment.regions[key]
    nodes = zone_count(region) * environment.cluster.node_pool(region.cluster).max_nodes
    return nodes * environment.cluster.max_pods_per_node, nodes


def _pods(environment: Environment, key: str, services: Mapping[str, Service], *, max_pods: bool) -> dict[str, int]:
    """Return the number of pods in a region by service, without those of other pipelines: the least, or the most."""
    pods = {CLIENT_APP: 1} if environment.demo.enabled else {}
    for name, service in services.items():
        if service.image is None or (service.regions and key not in service.regions):
            continue
        pods[name] = sum(_number(service.scaling_in(one), max_pods=max_pods) for one in service.deployments_in(key))
    return pods


def _number(scaling: Autoscaling | int, *, max_pods: bool) -> int:
    """Return the number of pods of a Deployment: the least, or the most."""
    if isinstance(scaling, int):
        return scaling
    return scaling.max_replicas if max_pods else scaling.min_replicas
