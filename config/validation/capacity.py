"""What is counted: Services against addresses, pods against nodes, and the size of one Kubernetes object."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from config.demo import CLIENT_APP
from config.environment import Environment
from config.grammar.quantity import AMOUNTS
from config.plural import counted
from config.problems import Problem
from config.routing import ANY_HOST, RoutedPath, routed_paths
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


MOST_HOSTS = 200
"""Most hosts that routes can name: each has an object in every cluster, which repeats the routes for all hosts."""


def check_capacity(environment: Environment) -> Iterator[Problem]:
    for name, service in environment.services.items():
        yield from _check_manifests(f"services.{name}", service)
    yield from _check_routes(environment)
    services = environment.all_services()
    for key, region in environment.regions.items():
        if not region.retired:
            yield from _check_services(environment, key, len(services))
            yield from _check_pods(environment, key, _pods(environment, key, services, max_pods=False))


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


def check_requests(environment: Environment) -> Iterator[Problem]:
    """Warn of regions whose nodes don't have what the pods of the services request together.

    Requests of the mesh and of GKE are not known here; a pod that fits on no node is an error of its own.
    """
    services = environment.all_services()
    requests = {
        resource: {name: AMOUNTS[resource](getattr(one.resources.requests, resource)) for name, one in services.items()}
        for resource in ("cpu", "memory")
    }
    for key, region in environment.regions.items():
        if region.retired:
            continue
        pods = _pods(environment, key, services, max_pods=False)
        shape = environment.cluster.node_pool(region.cluster)
        _, nodes = _room(environment, key)
        for resource, of_pod in requests.items():
            has = shape.capacity[resource]
            needed = {name: number * of_pod[name] for name, number in pods.items() if name in of_pod}
            if has is None or sum(needed.values()) <= nodes * has:
                continue
            largest = max(needed, key=lambda name: needed[name])
            unit, name = (1000, "CPUs") if resource == "cpu" else (2**30, "GiB of memory")
            rule = (
                f"has pods that request {sum(needed.values()) / unit:.5g} {name} ({needed[largest] / unit:.5g} of them "
                f"for {largest}), and its nodes have {nodes * has / unit:.5g} at most, so that some stay pending: "
                f"{counted(nodes, 'node')} of {shape.machine_type}; raise cluster.max_nodes, or lower replicas or "
                f"resources.requests.{resource}"
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


def routes_fit(environment: Environment) -> bool:
    """Return whether there are so few hosts, and paths of each, that they can be looked at one by one."""
    of_hosts = _paths_by_host(environment)
    for_all = len(of_hosts.pop(None))
    most = for_all + max(map(len, of_hosts.values()), default=0)
    return len(of_hosts) <= MOST_HOSTS and most <= LARGEST_MANIFEST // ROUTE_SIZE


def _paths_by_host(environment: Environment) -> dict[str | None, list[RoutedPath]]:
    """Return the paths of each host that a route names, and those for all hosts under None."""
    found: dict[str | None, list[RoutedPath]] = {None: []}
    for one in routed_paths(environment.all_services()):
        found.setdefault(one.route.host, []).append(one)
    return found


def _check_routes(environment: Environment) -> Iterator[Problem]:
    """Check that there are not too many hosts, and that the routes of each fit into one object."""
    services = environment.all_services()
    of_hosts = _paths_by_host(environment)
    for_all = of_hosts.pop(None)
    if len(of_hosts) > MOST_HOSTS:
        rule = f"have routes for {len(of_hosts)} hosts, and {MOST_HOSTS} are possible; leave out host in some"
        yield Problem("services", rule)
        return
    size_for_all = sum(_route_size(path, services[path.service]) for path in for_all)
    if not of_hosts or size_for_all > LARGEST_MANIFEST:  # then each host has too many
        of_hosts = {ANY_HOST: []}
    for host, own in of_hosts.items():
        size = size_for_all + sum(_route_size(path, services[path.service]) for path in own)
        if size > LARGEST_MANIFEST:
            largest = max((*for_all, *own), key=lambda path: _route_size(path, services[path.service]))
            rule = (
                f"{len(for_all) + len(own)} paths for {host} are about {size} bytes in a Kubernetes object, which "
                f"holds {LARGEST_MANIFEST} at most; remove paths or headers, or use prefixes (most: "
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


def _check_pods(environment: Environment, key: str, needed: Mapping[str, int]) -> Iterator[Problem]:
    room, nodes = _room(environment, key)
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
        pods[name] = sum(_number(one, max_pods=max_pods) for one in service.scalings_in(key))
    return pods


def _number(scaling: Autoscaling | int, *, max_pods: bool) -> int:
    """Return the number of pods of a Deployment: the least, or the most."""
    if isinstance(scaling, int):
        return scaling
    return scaling.max_replicas if max_pods else scaling.min_replicas
