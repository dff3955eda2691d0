"""What has to hold before a region is drained, or serves again: other regions carry its load, or its own pods do."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from cli.drain.live import LiveRegion, LiveRegions
from cli.errors import MeshError
from cli.report.findings import Finding, ok, warning
from config import Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.plural import counted
from config.services.service import Service

GATEWAYS = "gateways"


def check_capacity(environment: Environment, key: str, live: LiveRegions) -> Iterator[Finding]:
    """Yield whether other regions can serve what a region serves.

    Args:
        environment: The environment, in which the region may be drained already.
        key: Key of the region that is to be drained.
        live: All regions.

    Raises:
        MeshError: Something that the region serves has no ready endpoint in another region that is not drained.
    """
    here = live[key]
    others = [one for one in live.values() if one.key != key and one.region.serves]
    for one in (here, *others):
        if one.problem:
            yield warning(one.key, f"its cluster can't be read: {one.problem}", f"mesh status --region {one.key}")
    unserved = []
    for name, service in environment.all_services().items():
        regions = environment.deployments(service)
        if key not in regions:
            continue
        running = [one for one in others if one.key in regions]
        own = here.ready_endpoints(service.namespace, name)
        lost = [*_unserved(name, service, here, running)] if own or here.problem else []
        unserved += [f"{what} ({_places(places, live)})" for what, places in lost]
        if not lost:
            ready = {one.key: one.ready_endpoints(service.namespace, name) for one in running}
            more = sum(one.more_pods(service.namespace, name) for one in running)
            yield _compare(name, key, own, ready, more).about(service=name)
    if environment.ingress.enabled:
        ready = {one.key: one.ready_gateways for one in others}
        if any(ready.values()):
            more = sum(one.more_pods(GATEWAY_NAMESPACE, GATEWAY_NAME) for one in others)
            yield _compare(GATEWAYS, key, here.ready_gateways, ready, more)
        else:
            unserved.append(f"{GATEWAYS} ({_places(ready, live)})")
    if unserved:
        raise MeshError(
            f"nothing was changed, as nothing would serve these without {key}: {', '.join(unserved)}",
            "mesh status",
        )


def _unserved(
    name: str, service: Service, here: LiveRegion, running: Sequence[LiveRegion]
) -> Iterator[tuple[str, list[str]]]:
    """Yield what nothing would serve without a region, and the regions in which nothing is ready for it.

    Each version gets requests that no other one serves, and weights of regions leave clients no other region.
    """
    served: dict[str, Collection[str]] = {"": [one.key for one in running]}
    served |= {f" for clients in {client}": keys for client, keys in service.region_weights.items() if here.key in keys}
    for clients, keys in served.items():
        places = [one for one in running if one.key in keys]
        if not any(one.ready_endpoints(service.namespace, name) for one in places):
            yield f"{name}{clients}", [one.key for one in places]
            continue
        for version, weight in service.weights.items():
            ready = [one.ready_pods(service.namespace, name, version) for one in (here, *places)]
            if weight and (ready[0] or here.problem) and not any(ready[1:]):
                yield f"{version} of {name}{clients}", [one.key for one in places]


def _places(ready: Iterable[str], live: LiveRegions) -> str:
    """Return in which regions that are not drained nothing is ready."""
    places = [f"{key} can't be read" if live[key].problem else f"none ready in {key}" for key in ready]
    return ", ".join(places) or "in no other region that is not drained"


def _compare(name: str, region: str, own: int, ready: Mapping[str, int], more: int) -> Finding:
    """Compare the pods that serve now with those of other regions and those that autoscalers can add there."""
    staying = sum(ready.values())
    places = ", ".join(f"{count} in {key}" for key, count in ready.items())
    added = f", and autoscalers can add {more}" if more else ""
    text = f"{counted(own + staying, 'ready pod')} now, {staying} without {region} ({places}){added}"
    if staying + more < own + staying:
        return warning(name, text, "if the load needs more, raise replicas or the autoscaler's maximum first")
    return ok(name, text)


def check_pods(environment: Environment, key: str, live: LiveRegions) -> Iterator[Finding]:
    """Yield whether a region that is to serve again has ready pods, and as many as others.

    Args:
        environment: The environment, in which the region may serve already.
        key: Key of the region.
        live: All regions.

    Raises:
        MeshError: Its cluster can't be read, so that requests could go to a region that is lost.
    """
    here = live[key]
    if here.problem:
        raise MeshError(f"the cluster of {key} can't be read: {here.problem}", f"mesh status --region {key}")
    for name, service in environment.all_services().items():
        regions = environment.deployments(service)
        if key in regions:
            yield _pods(name, here, [live[one] for one in regions], service.namespace, name).about(service=name)
    if environment.ingress.enabled:
        yield _pods(GATEWAYS, here, live.values(), GATEWAY_NAMESPACE, GATEWAY_NAME)


def _pods(name: str, here: LiveRegion, regions: Iterable[LiveRegion], namespace: str, app: str) -> Finding:
    """Compare the pods that get requests again with those of the region that has most.

    Without requests, an autoscaler reduces them to its minimum, and they get all requests of the region at once.
    """
    key, ready = here.key, here.ready_pods(namespace, app)
    if not ready:
        text = f"no ready pod in {key}, so that its requests stay in other regions"
        return warning(name, text, f"mesh status --region {key}")
    text = f"{counted(ready, 'ready pod')} in {key}"
    most = max(regions, key=lambda one: one.ready_pods(namespace, app))
    others, more = most.ready_pods(namespace, app), here.more_pods(namespace, app)
    if ready < others and more:
        text += f", and {others} in {most.key}; autoscaling adds up to {more}, but only under load"
        return warning(name, text, "if the load needs more at once, raise min_replicas and deploy first")
    return ok(name, text)
