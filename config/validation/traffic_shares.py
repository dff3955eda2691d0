"""`versions`, `mirror` and `region_weights` of services: which pods get which part of the requests."""

from collections.abc import Collection, Iterator, Mapping

from config.environment import Environment
from config.naming import subset_name
from config.problems import Problem, Suggestion, quoted
from config.services.service import Service
from config.services.versions import ALL_WEIGHTS
from config.validation.pod_regions import ALL_PODS, regions_with_pods, requested_versions
from config.validation.references import check_region_key

NOT_WITH_VERSIONS = ("version", "image")
"""Keys of a region that `versions` decides for all regions."""


def check_traffic_shares(environment: Environment) -> Iterator[Problem]:
    known = environment.all_services()
    for name, service in environment.services.items():
        path = f"services.{name}"
        if service.versions:
            yield from _check_versions(environment, path, service)
        if service.mirror is not None:
            yield from _check_mirror(f"{path}.mirror", name, service, known)
        if service.region_weights:
            yield from _check_region_weights(environment, path, service)


def _check_versions(environment: Environment, path: str, service: Service) -> Iterator[Problem]:
    yield from _check_sum(f"{path}.versions", service.weights)
    for key, region in service.regions.items():
        for own in NOT_WITH_VERSIONS:
            if own in region.model_fields_set:
                rule = f"can't be combined with versions, which set it for every region; remove it, or {path}.versions"
                yield Problem(f"{path}.regions.{key}.{own}", rule, getattr(region, own))
    names: dict[str, str] = {}
    for version in service.versions:
        first = names.setdefault(subset_name(version), version)
        if first != version:
            rule = f"is {first!r} with other characters for the dots, which the mesh does not tell apart; rename one"
            yield Problem(f"{path}.versions.{quoted(version)}", rule)
    if service.image is not None:
        yield from _check_pods_of_versions(environment, path, service)


def _check_pods_of_versions(environment: Environment, path: str, service: Service) -> Iterator[Problem]:
    """Check that a version that gets requests, or copies of them, has pods somewhere."""
    for version, regions in regions_with_pods(environment, service).items():
        weight = service.weights[version]
        if weight and not regions:
            rule = f"gets {weight} % of the requests and has no pods, so that they fail: set its weight or replicas"
            yield Problem(f"{path}.versions.{quoted(version)}", rule)
        elif not regions and service.mirror is not None and service.mirror.version == version:
            rule = "has no pods to get the copies: set its replicas, or remove mirror"
            yield Problem(f"{path}.versions.{quoted(version)}", rule)


def _check_sum(path: str, weights: Mapping[str, int]) -> Iterator[Problem]:
    total = sum(weights.values())
    if total != ALL_WEIGHTS:
        yield Problem(path, f"has percentages that add up to {total}; they have to add up to {ALL_WEIGHTS}")


def _check_mirror(path: str, name: str, service: Service, known: Mapping[str, Service]) -> Iterator[Problem]:
    assert service.mirror is not None
    if not service.http_ports:
        yield Problem(path, "can't be combined with protocol: tcp, as the mesh sees no requests in it; remove it")
    elif service.mirror.service is not None:
        yield from _check_mirror_service(f"{path}.service", (name, service), service.mirror.service, known)
    elif service.mirror.version is not None:
        yield from _check_mirror_version(f"{path}.version", service.mirror.version, service.weights)


def _check_mirror_service(
    path: str, named: tuple[str, Service], other: str, known: Mapping[str, Service]
) -> Iterator[Problem]:
    """Check the service that gets copies of another one's requests."""
    if other == named[0]:
        rule = "is the service itself; for one of its versions write mirror: {version: VERSION}, or name another one"
        yield Problem(path, rule, other)
    elif other not in known:
        rule = f"is no service of this file ({', '.join(known)})"
        yield Problem(path, rule, other, Suggestion(other, known))
    else:
        yield from _check_mirrored_ports(path, named, known[other], other)


def _check_mirrored_ports(path: str, named: tuple[str, Service], target: Service, other: str) -> Iterator[Problem]:
    """Check that a service has ports for the copies of another one's requests, and understands them."""
    name, service = named
    ports = service.mirrored_ports(target)
    if not ports:
        rule = (
            f"has no port for the copies: its main port has the protocol {target.protocol}, and that of {name} "
            f"{service.protocol}; copies of gRPC need a port of grpc, and others one of http or http2"
        )
        yield Problem(path, rule, other)
    own, others = ({port.port: port.protocol for port in one.all_ports.values()} for one in (service, target))
    for number, copy in ports.items():
        if (own[number] == "grpc") != (others[copy] == "grpc"):
            rule = (
                f"has the protocol {others[copy]} at its port {copy}, and {name} has {own[number]} at its port "
                f"{number}: it would not understand the requests"
            )
            yield Problem(path, rule, other)
            return


def _check_mirror_version(path: str, version: str, weights: Mapping[str, int]) -> Iterator[Problem]:
    """Check the version that gets copies of the requests of its service."""
    if version not in weights:
        rule = f"is not one of the service's versions ({', '.join(weights) or 'it has none'}); add it with the weight 0"
        yield Problem(path, rule, version, Suggestion(version, weights))
    elif weights[version]:
        rule = (
            f"has the weight {weights[version]}: a version gets requests or copies of them, which can't be told apart "
            "in its counters; set the weight to 0, or mirror to a service"
        )
        yield Problem(path, rule, version)


def _check_region_weights(environment: Environment, path: str, service: Service) -> Iterator[Problem]:
    place = f"{path}.region_weights"
    if environment.control_plane.takes_failover_threshold:
        rule = (
            f"has no effect with mesh.control_plane: {environment.mesh.control_plane}, which does not support "
            "localityLbSetting in a DestinationRule; leave it out (the nearest region serves all requests)"
        )
        yield Problem(place, rule)
        return
    if not service.failover:
        yield Problem(
            place, "does not go with failover: false, by which requests go to all pods; take one of them away"
        )
        return
    runs = environment.regions_of(service)
    pods = regions_with_pods(environment, service)
    serving = {
        version: {key for key in pods[version] if not environment.regions[key].drained}
        for version in requested_versions(service)
    }
    for client, weights in service.region_weights.items():
        wrong = list(_check_keys_of_weights(environment, f"{place}.{client}", client, weights, runs))
        yield from wrong
        # What has no pods in any such region is refused, or warned of, for itself.
        unserved = [version for version, keys in serving.items() if keys and keys.isdisjoint(weights)]
        if unserved and weights and not wrong:
            of = "" if unserved == [ALL_PODS] else f" of {', '.join(unserved)}"
            rule = (
                f"has no pods{of} in a region that is not drained, so that nothing serves these requests; add a region "
                "that has"
            )
            yield Problem(f"{place}.{client}", rule)
        elif len(weights) == 1:
            rule = "has one region only, so that nothing serves its requests when that one fails; add another"
            yield Problem(f"{place}.{client}", rule)


def _check_keys_of_weights(
    environment: Environment, place: str, client: str, weights: Mapping[str, int], runs: Collection[str]
) -> Iterator[Problem]:
    """Check the regions of clients and of pods, and the sum of the percentages."""
    yield from check_region_key(environment, place, client)
    if client in environment.regions and environment.regions[client].retired:
        yield Problem(place, "is retired, and has no clients; remove it")
    for key in weights:
        unknown = list(check_region_key(environment, f"{place}.{key}", key))
        yield from unknown
        if not unknown and key not in runs:
            rule = "has no pods of the service, so that the requests would fail; give its percentage to another"
            yield Problem(f"{place}.{key}", rule)
    yield from _check_sum(place, weights)
