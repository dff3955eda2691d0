"""Pods of `services`: resources, commands, volumes and termination."""

from collections.abc import Iterator, Mapping

from config.cluster import NodePoolShape
from config.environment import Environment
from config.grammar import reserved
from config.grammar.mount_path import is_within
from config.grammar.quantity import AMOUNTS, byte_count
from config.problems import Problem, Suggestion, quoted
from config.services.service import Service
from config.services.volume import Volume

STORAGE = "ephemeral_storage"


def check_pods(environment: Environment) -> Iterator[Problem]:
    shapes = {key: environment.cluster.node_pool(region.cluster) for key, region in environment.regions.items()}
    capacities = {key: shape.capacity for key, shape in shapes.items()}
    for name, service in environment.services.items():
        if service.image is None:
            continue  # check_services reports keys of pods
        path = f"services.{name}"
        yield from _check_limits(f"{path}.resources", service)
        yield from _check_nodes(shapes, capacities, f"{path}.resources", service)
        yield from _check_programs(path, service)
        yield from _check_probe_ports(path, service)
        for folder, volume in service.volumes.items():
            key = quoted(folder)
            yield from _check_mount_path(f"{path}.volumes.{key}", folder, volume, service)
            if volume.key is not None and volume.chosen not in volume.with_keys:
                rule = f"does not go with {volume.chosen}, which has no keys; remove it"
                yield Problem(f"{path}.volumes.{key}.key", rule, volume.key)
            if volume.secret_manager is not None:
                yield from _check_secret_manager(environment, f"{path}.volumes.{key}.secret_manager", service)
        yield from _check_volume_sizes(f"{path}.volumes", service)
        yield from _check_termination(path, service)


def _check_limits(path: str, service: Service) -> Iterator[Problem]:
    """Check that no request is more than its limit, which the API server refuses."""
    for key, amount in AMOUNTS.items():
        request, limit = (getattr(one, key) for one in (service.resources.requests, service.resources.limits))
        if request is not None and limit is not None and amount(limit) < amount(request):
            rule = f"is less than requests.{key}: {request}; raise it, or lower the request"
            yield Problem(f"{path}.limits.{key}", rule, limit)


def _check_nodes(
    shapes: Mapping[str, NodePoolShape], capacities: Mapping[str, Mapping[str, int | None]], path: str, service: Service
) -> Iterator[Problem]:
    """Check that a node of each region has what a pod requests. Some of it is for the node itself.

    Args:
        shapes: the nodes, by region.
        capacities: what such a node has at most, by region and resource.
        path: of the service's resources.
        service: the service.
    """
    for key, amount in AMOUNTS.items():
        where, given = "requests", getattr(service.resources.requests, key)
        if given is None:  # then the API server takes the limit
            where, given = "limits", getattr(service.resources.limits, key)
        if given is None:
            continue
        requested = amount(given)
        for region in service.regions or shapes:
            has = capacities.get(region, {}).get(key)  # check_services reports unknown regions
            if has is not None and requested >= has:
                rule = (
                    f"is more than a node in {region} can give: {_node(shapes[region], key, has)}, some of it for the "
                    f"node itself; lower it, or choose another {'disk_size_gb' if key == STORAGE else 'machine_type'}"
                )
                yield Problem(f"{path}.{where}.{key}", rule, given)
                break


def _node(shape: NodePoolShape, resource: str, has: int) -> str:
    """Return what a node has of a resource, for messages."""
    match resource:
        case "cpu":
            return f"{shape.machine_type} has {has // 1000} vCPUs"
        case "memory":
            return f"{shape.machine_type} has {has / 2**30:.5g} GiB of memory at most"
    return f"its disk has {shape.disk_size_gb} GB"


def _check_programs(path: str, service: Service) -> Iterator[Problem]:
    """Check that no program to run has an empty name."""
    probes = {f"probes.{key}.exec": probe.exec or () for key, probe in service.probes.given().items()}
    for key, words in {"command": service.command, **probes}.items():
        if words and not words[0]:
            yield Problem(f"{path}.{key}[0]", "is empty; name a program")


def _check_probe_ports(path: str, service: Service) -> Iterator[Problem]:
    """Check that a probe with a port connects to one, and to none of the sidecar's."""
    for key, probe in service.probes.given().items():
        if probe.port is None:
            continue
        if probe.exec is not None:
            yield Problem(f"{path}.probes.{key}.port", "has no effect on exec; remove it", probe.port)
        elif isinstance(probe.port, str):
            ports = service.all_ports
            if probe.port not in ports:
                rule = f"is not a port of the service ({', '.join(ports)}); name one of them, or write a number"
                yield Problem(f"{path}.probes.{key}.port", rule, probe.port, Suggestion(probe.port, list(ports)))
        elif probe.port in reserved.SIDECAR_PORTS:
            yield Problem(f"{path}.probes.{key}.port", "belongs to the sidecar; choose another port", probe.port)


def _check_mount_path(path: str, folder: str, volume: Volume, service: Service) -> Iterator[Problem]:
    """Check that a volume is mounted over nothing that is needed, and below nothing where that is impossible."""
    for owned, owner in reserved.MOUNT_PATHS.items():
        shared_memory = folder == reserved.SHARED_MEMORY and volume.memory is not None
        hides = is_within(owned, folder) and volume.read_only
        if hides or (is_within(folder, owned) and not shared_memory):
            yield Problem(path, f"can't be mounted there: {owned} belongs to {owner}; choose another path")
            return
    if is_within("/tmp", folder) and volume.read_only:
        yield Problem(
            path, "can't be read-only there, as the container must be able to write to /tmp; choose another path"
        )
    for other, above in service.volumes.items():
        if other != folder and is_within(folder, other) and above.read_only:
            rule = f"is below {other}, which is read-only, so that nothing can be mounted in it; choose another path"
            yield Problem(path, rule)


def _check_secret_manager(environment: Environment, path: str, service: Service) -> Iterator[Problem]:
    """Check that secrets of Secret Manager have an add-on that mounts them, and an account that reads them."""
    if not environment.cluster.secret_manager:
        yield Problem(path, "needs GKE's add-on, which mounts the secrets; set cluster.secret_manager: true")
    if service.service_account is None:
        yield Problem(path, "needs an account that reads the secrets; give the service a service_account")


def _check_volume_sizes(path: str, service: Service) -> Iterator[Problem]:
    """Check that full volumes don't exceed the limits of the container, which would be killed or evicted."""
    limits = service.resources.limits
    for source, key, limit in (
        ("memory", "memory", limits.memory),
        ("size", "ephemeral_storage", limits.ephemeral_storage),
    ):
        sizes = {folder: getattr(one, source) for folder, one in service.volumes.items() if getattr(one, source)}
        if limit is None or not sizes:
            continue
        total = sum(map(byte_count, sizes.values()))
        too_much = total >= byte_count(limit) if source == "memory" else total > byte_count(limit)
        if too_much:
            end = "the container is killed before they are full" if source == "memory" else "the pod is evicted"
            rule = (
                f"has {source} of {', '.join(sizes.values())}, and resources.limits.{key} is {limit}: {end}; raise it"
            )
            yield Problem(path, rule)


def _check_termination(path: str, service: Service) -> Iterator[Problem]:
    if service.grace_seconds <= service.drain_seconds:
        rule = (
            f"must be more than drain_seconds: {service.drain_seconds}, so that the container can exit by itself "
            "after that; raise it"
        )
        yield Problem(f"{path}.grace_seconds", rule, service.grace_seconds)


def check_volume_room(environment: Environment) -> Iterator[Problem]:
    """Warn of empty folders that can be larger than what a node has, which evicts or kills their pods before."""
    shapes = {key: environment.cluster.node_pool(region.cluster) for key, region in environment.regions.items()}
    capacities = {key: shape.capacity for key, shape in shapes.items()}
    for name, service in environment.services.items():
        for folder, volume in service.volumes.items():
            for key, resource in (("size", STORAGE), ("memory", "memory")):
                size = getattr(volume, key)
                for region in (service.regions or shapes) if size is not None else ():
                    has = capacities[region][resource]
                    if has is not None and byte_count(size) >= has:
                        rule = f"is more than a node in {region} has: {_node(shapes[region], resource, has)}; lower it"
                        yield Problem(f"services.{name}.volumes.{quoted(folder)}.{key}", rule, size)
                        break
