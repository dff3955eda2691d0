"""`versions`, `mirror` and `region_weights` of services: which pods get which part of the requests."""

from collections.abc import Iterator, Mapping

from config.environment import Environment
from config.naming import subset_name
from config.problems import Problem, Suggestion, quoted
from config.services.service import Service
from config.services.versions import ALL_WEIGHTS
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
    """Check that a version that gets requests has pods somewhere."""
    has_pods: dict[str, bool] = {}
    for key in environment.regions_of(service):
        for version, scaling in zip(service.versions, service.scalings_in(key), strict=True):
            has_pods[version] = has_pods.get(version, False) or scaling != 0
    for version, weight in service.weights.items():
        if weight and not has_pods.get(version, True):
            rule = f"gets {weight} % of the requests and has no pods, so that they fail: set its weight or replicas"
            yield Problem(f"{path}.versions.{quoted(version)}", rule)


def _check_sum(path: str, weights: Mapping[str, int]) -> Iterator[Problem]:
    total = sum(weights.values())
    if total != ALL_WEIGHTS:
        yield Problem(path, f"has percentages that add up to {total}; they have to add up to {ALL_WEIGHTS}")


def _check_mirror(path: str, name: str, service: Service, known: Mapping[str, Service]) -> Iterator[Problem]:
    assert service.mirror is not None
    if service.protocol == "tcp":
        yield Problem(path, "can't be combined with protocol: tcp, as the mesh sees no requests in it; remove it")
    elif service.mirror.service is not None:
        yield from _check_mirror_service(f"{path}.service", (name, service), service.mirror.service, known)
    elif service.mirror.version is not None:
        yield from _check_mirror_version(f"{path}.version", service.mirror.version, service.weights)


def _check_mirror_service(
    path: str, named: tuple[str, Service], other: str, known: Mapping[str, Service]
) -> Iterator[Problem]:
    """Check the service that gets copies of another one's requests."""
    name, service = named
    if other == name:
        rule = "is the service itself; for one of its versions write mirror: {version: VERSION}, or name another one"
        yield Problem(path, rule, other)
    elif other not in known:
        rule = f"is no service of this file ({', '.join(known)})"
        yield Problem(path, rule, other, Suggestion(other, known))
    elif (protocol := known[other].protocol) == "tcp" or (protocol == "grpc") != (service.protocol == "grpc"):
        rule = f"has the protocol {protocol}, and {name} has {service.protocol}: it would not understand the requests"
        yield Problem(path, rule, other)


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
    for client, weights in service.region_weights.items():
        yield from check_region_key(environment, f"{place}.{client}", client)
        if client in environment.regions and environment.regions[client].retired:
            yield Problem(f"{place}.{client}", "is retired, and has no clients; remove it")
        for key in weights:
            unknown = list(check_region_key(environment, f"{place}.{client}.{key}", key))
            yield from unknown
            if not unknown and key not in runs:
                rule = "has no pods of the service, so that the requests would fail; give its percentage to another"
                yield Problem(f"{place}.{client}.{key}", rule)
        yield from _check_sum(f"{place}.{client}", weights)
        if weights and all(key in environment.regions and environment.regions[key].drained for key in weights):
            rule = "has drained regions only, so that nothing serves its requests; add a region that is not drained"
            yield Problem(f"{place}.{client}", rule)
        elif len(weights) == 1:
            rule = "has one region only, so that nothing serves its requests when that one fails; add another"
            yield Problem(f"{place}.{client}", rule)
