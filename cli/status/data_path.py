"""`mesh status`, of what the proxies know, without a request: a failover that can't happen is found before it is due.

Each proxy has endpoints in every other region, healthy, at a lower priority than those of its own; its certificate has
time left; and it is connected to its control plane, whose configuration it accepts. Two pods of each workload are
read, as each takes some calls of kubectl.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from ipaddress import ip_address

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object, condition
from cli.sources.endpoint_slices import ready_endpoints
from cli.sources.member import ObservedCluster
from cli.sources.proxies import PROXY_CONTAINER, ProxyEndpoint, has_proxy
from cli.sources.proxy_state import ObservedProxy, ProxyCertificate, observe_proxy
from cli.sources.remediation import chained
from cli.status.control_plane import CONTROL_PLANE
from cli.status.mesh import namespaces_of, proxies_of, restarts
from config import ResolvedRegion
from config.naming import MESH_NAMESPACE, subset_name
from config.plural import counted
from config.services.service import Service

MOST_PODS = 2
"""Of each workload."""

LEAST_LEFT = 0.25
"""Part of a certificate's lifetime: the agent replaces it at half of it, so less is left only if that fails.

Source: SECRET_GRACE_PERIOD_RATIO, https://istio.io/latest/docs/reference/commands/pilot-agent/
"""

LEAST_LEFT_OF_CA = 0.1
"""Part of a CA's lifetime, which is years."""

DETERMINING = ("DestinationRule", "EnvoyFilter", "Namespace", "Service", "ServiceEntry", "Sidecar", "VirtualService")
"""Kinds that change which endpoints a proxy knows, and in which order it takes them."""


def read_proxies(members: Sequence[ObservedCluster], pool: Executor) -> list[list[ObservedProxy]]:
    """Return the state of proxies of the environment's services and gateways, of each cluster.

    Args:
        members: The clusters.
        pool: Runs the calls.
    """
    started = [[pool.submit(_observe, member, *one) for one in _pods(member)] for member in members]
    return [[future.result() for future in each] for each in started]


def _observe(member: ObservedCluster, pod: Object, first: bool) -> ObservedProxy:
    assert member.cluster is not None
    return observe_proxy(member.cluster, pod, whole=first)


def _pods(member: ObservedCluster) -> Iterator[tuple[Object, bool]]:
    """Yield the pods whose proxies are read, and whether each is the first of its workload."""
    if member.objects is None or member.region.retired:
        return
    namespaces, seen = namespaces_of(member.environment), defaultdict[tuple[str, str], int](int)
    found = proxies_of(member)
    for pod in (*found.current, *found.outdated):
        metadata = pod["metadata"]
        # A pod without a node has no condition Ready.
        waits = condition(pod, "Ready") == "False" or pod.get("status", {}).get("phase") == "Pending"
        if metadata["namespace"] not in namespaces or not has_proxy(pod) or waits:
            continue
        owner = next(iter(metadata.get("ownerReferences", [])), metadata)["name"]
        workload = (metadata["namespace"], owner)
        seen[workload] += 1
        if seen[workload] <= MOST_PODS:
            yield pod, seen[workload] == 1


def check_data_path(
    member: ObservedCluster,
    members: Sequence[ObservedCluster],
    proxies: Sequence[ObservedProxy],
    causes: frozenset[str],
    undiscovered: frozenset[str],
) -> Iterator[Finding]:
    """Yield what a cluster's proxies know.

    Args:
        member: The cluster.
        members: All clusters.
        proxies: Its proxies.
        causes: What has findings of its own in this cluster.
        undiscovered: Keys of the regions whose endpoints the control plane does not discover, as another finding says.
    """
    unread = [one for one in proxies if one.problem]
    if unread:
        problems = dict.fromkeys(one.problem for one in unread)
        text = f"{counted(len(unread), 'proxy', 'proxies')} can't be read: {'; '.join(problems)}"
        fix = f"{member.kubectl} auth can-i create pods/exec --namespace {unread[0].pod['metadata']['namespace']}"
        yield warning("proxy state", text, fix)
    read = [one for one in proxies if not one.problem]
    if not read:
        return
    yield _check_connection(member, read)
    yield _check_certificates(member, read)
    determined = any(one.split()[0] in DETERMINING for one in causes)
    connected = [one for one in read if one.connected]
    if determined or not connected:
        return
    if not any(endpoint.outbound for one in connected for endpoint in one.endpoints):
        text = "unknown: no proxy has endpoints by Istio's names of services"
        named_by_istio = member.environment.control_plane.uses_remote_secrets
        yield warning("data path", text, "mesh verify locality") if named_by_istio else ok("data path", text)
        return
    for name, service in member.environment.all_services().items():
        finding = _check_service(member, members, connected, (name, service), undiscovered)
        if finding is not None:
            yield finding.about(service=name)


def _check_connection(member: ObservedCluster, proxies: Sequence[ObservedProxy]) -> Finding:
    name = "proxy configuration"
    lost = [one for one in proxies if not one.connected]
    if lost:
        text = f"not connected to the control plane: {_names(lost, proxies)}; their configuration gets old"
        fix = f"{member.kubectl} --namespace {MESH_NAMESPACE} get pods,events"
        return failure(name, text, fix).about(CONTROL_PLANE)
    rejecting = [one for one in proxies if one.rejected]
    if rejecting:
        text = f"configurations rejected since the proxy started: {_names(rejecting, proxies)}"
        namespace, pod = (rejecting[0].pod["metadata"][field] for field in ("namespace", "name"))
        return warning(name, text, f"{member.kubectl} --namespace {namespace} logs {pod} --container {PROXY_CONTAINER}")
    return ok(name, f"{counted(len(proxies), 'proxy', 'proxies')} connected, and none has rejected any")


def _check_certificates(member: ObservedCluster, proxies: Sequence[ObservedProxy]) -> Finding:
    name, now = "proxy certificates", datetime.now(UTC)
    old = [one for one in proxies if any(each.left(now) < LEAST_LEFT for each in one.certificates)]
    if old:
        least = min(each.until for one in old for each in one.certificates)
        text = f"not renewed: {_names(old, proxies)}; {_expiry(least, now)}"
        return (failure if least <= now else warning)(name, text, restarts(member, [one.pod for one in old]))
    authorities = [each for one in proxies for each in one.authorities]
    ca = min(authorities, key=lambda one: one.left(now), default=None)
    if ca is not None and ca.left(now) < LEAST_LEFT_OF_CA:
        text = f"the CA of the mesh {_expiry(ca.until, now)}"
        fix = "replace it before that: docs/security.md"
        return (failure if ca.until <= now else warning)(name, text, fix)
    certificates: list[ProxyCertificate] = [each for one in proxies for each in one.certificates]
    least_left = min((each.until for each in certificates), default=None)
    return ok(name, "none" if least_left is None else f"the first {_expiry(least_left, now)}")


def _expiry(until: datetime, now: datetime) -> str:
    hours = (until - now).total_seconds() / 3600
    return f"expires in {hours:.0f} h" if hours > 0 else f"expired at {until:%Y-%m-%d %H:%M} UTC"


def _check_service(
    member: ObservedCluster,
    members: Sequence[ObservedCluster],
    proxies: Sequence[ObservedProxy],
    named: tuple[str, Service],
    undiscovered: frozenset[str],
) -> Finding | None:
    """Check what proxies know of a service's endpoints; None if another finding says what they don't."""
    name, service = named
    title, kubectl, host = f"data path to {name}", member.kubectl, f"{name}.{service.namespace}.svc."
    expected = {
        one.key: one
        for one in members
        if one.region.serves
        and one.key in member.environment.deployments(service)
        and _has_endpoints(one, service, name)
    }
    regions = {key: one for key, one in expected.items() if key not in undiscovered}
    wrong, fixes = [], []
    for one in members:
        if not one.region.drained or _has_endpoints(one, service, name):  # as another finding says
            continue
        if which := [proxy for proxy in proxies if _known(proxy, host, one.region)]:
            wrong.append(f"{_names(which, proxies)}: {DRAINED.format(region=one.key)}")
            fixes.append(f"{kubectl} --namespace {MESH_NAMESPACE} get pods,secrets,events")
    for key, other in regions.items():
        problems = defaultdict[str, list[ObservedProxy]](list)
        for proxy in proxies:
            if problem := _problem(proxy, member, other, named):
                problems[problem].append(proxy)
        for problem, which in problems.items():
            wrong.append(f"{_names(which, proxies)}: {problem.format(region=key)}")
            if problem == UNKNOWN and len(which) < len(proxies):
                fixes.append(restarts(member, [one.pod for one in which]))
            elif problem == UNKNOWN:
                fixes.append(f"{kubectl} --namespace {MESH_NAMESPACE} get pods,secrets,events")
            elif problem == WRONG_PRIORITY:
                fixes.append(f"{kubectl} --namespace {service.namespace} get destinationrules {name} --output yaml")
            else:
                fixes.append(f"{other.kubectl} --namespace {service.namespace} describe pods --selector app={name}")
    if wrong:
        return failure(title, "; ".join(wrong), chained(fixes))
    if regions.keys() != expected.keys():
        return None
    places = ", ".join(expected) or "no region, as none is ready"
    return ok(title, f"{counted(len(proxies), 'proxy knows', 'proxies know')} healthy endpoints in {places}")


UNKNOWN = "no endpoint known in {region}, where the service is ready"
UNHEALTHY = "all endpoints in {region} are unhealthy"
EJECTED = "all endpoints in {region} are ejected, as requests to them have failed; each returns after some time"
DRAINED = "endpoints known in {region}, which is drained"
WRONG_PRIORITY = "the endpoints in {region} get requests as those of this region do"


def _problem(proxy: ObservedProxy, member: ObservedCluster, other: ObservedCluster, named: tuple[str, Service]) -> str:
    """Return what a proxy does not know of a service in a region, as a template; empty if it knows everything.

    Of several versions, that is the endpoints of each that gets requests and is ready there.
    """
    name, service = named
    host = f"{name}.{service.namespace}.svc."
    own = [one for one in proxy.endpoints if one.outbound and one.host.startswith(host)]
    if not service.versions:
        return _problem_of([one for one in own if not one.subset], member, other, service)
    ready = _ready_versions(other, name, service)
    problems = (
        _problem_of([one for one in own if one.subset == subset_name(version)], member, other, service)
        for version, weight in service.weights.items()
        if weight and version in ready
    )
    return next(filter(None, problems), "")


def _ready_versions(member: ObservedCluster, name: str, service: Service) -> set[str]:
    """Return the versions of a service that have a ready pod in a cluster."""
    labels = (
        one["metadata"].get("labels", {})
        for one in member.live.pods
        if one["metadata"]["namespace"] == service.namespace and condition(one, "Ready") == "True"
    )
    return {one["version"] for one in labels if one.get("app") == name and "version" in one}


def _problem_of(own: Sequence[ProxyEndpoint], member: ObservedCluster, other: ObservedCluster, service: Service) -> str:
    """Return what is missing of the endpoints that get the same requests.

    With weights for the regions, all have the same priority; a region without a weight is not to have any.
    """
    weights = service.region_weights.get(member.key)
    if weights is not None and other.key not in weights:
        return ""
    there, here = ([one for one in own if _is_in(one, each.region)] for each in (other, member))
    if not there:
        return UNKNOWN
    if all(one.ejected for one in there):
        return EJECTED
    if not any(one.healthy for one in there):
        return UNHEALTHY
    alike = bool(here) and min(one.priority for one in there) <= min(one.priority for one in here)
    by_priority = service.failover and weights is None
    return WRONG_PRIORITY if alike and by_priority and other.key != member.key else ""


def _has_endpoints(member: ObservedCluster, service: Service, name: str) -> bool:
    """Return whether a service has ready endpoints in a cluster, as far as the cluster responds."""
    return member.objects is not None and ready_endpoints(member.live.slices, service.namespace, name) > 0


def _known(proxy: ObservedProxy, host: str, region: ResolvedRegion) -> list[ProxyEndpoint]:
    """Return the endpoints of a service in a region that a proxy knows."""
    own = (one for one in proxy.endpoints if one.outbound and one.host.startswith(host) and not one.subset)
    return [one for one in own if _is_in(one, region)]


def _is_in(endpoint: ProxyEndpoint, region: ResolvedRegion) -> bool:
    """Return whether an endpoint is in a region: by its address, or else as the control plane says."""
    return ip_address(endpoint.address) in region.ranges.pods or endpoint.region == region.location


def _names(some: Sequence[ObservedProxy], all_: Sequence[ObservedProxy]) -> str:
    """Return which proxies: a number where it is all of them."""
    return f"all {len(all_)} proxies" if len(some) == len(all_) > 1 else ", ".join(one.name for one in some)
