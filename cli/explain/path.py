"""The path of a request, hop by hop: the client's proxy, the endpoints that it chooses, and the servers' proxies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cli.explain.authorization import Peer, decide
from cli.explain.configured_by import IstioObject, configured_by
from cli.explain.context import RequestContext
from cli.explain.endpoints import NAME as ENDPOINTS
from cli.explain.endpoints import check_drained, check_no_endpoints, shown_endpoints, used_endpoints
from cli.explain.faults import check_fault
from cli.explain.listener import client_listener, gateway_listener, manager_of, not_captured, routes_of, unknown_service
from cli.explain.proxy import Part, Proxy, filter_chains, read_proxy, tcp_proxy
from cli.explain.repair import find_and_repair
from cli.explain.routes import Destination, chosen_route, destinations, shown_match, virtual_host
from cli.explain.server import Connection, Gate, check_certificate, check_decision, check_server, is_down
from cli.explain.tls import tls_to
from cli.report.findings import Finding, FindingState, failure, ok, warning
from cli.sources.kubernetes import KubectlError
from cli.sources.proxies import ProxyEndpoint, has_proxy
from cli.sources.remediation import DEPLOY, kubectl_command
from cli.status.foreign import ACCEPTED
from config.naming import MESH_NAMESPACE
from config.plural import counted

LOAD_BALANCER = "35.191.0.1"
"""An address from which the load balancer connects to the gateways: https://cloud.google.com/load-balancing/docs/firewall-rules."""

SERVERS = 3
"""The number of servers in a region whose proxies are read: they have the same configuration unless one is outdated."""

PASSTHROUGH = ("PassthroughCluster", "BlackHoleCluster")


def walk(context: RequestContext) -> Iterator[Finding]:
    """Yield a finding for each hop; the first failure, which explains why requests fail, is the last."""
    for finding in _walk(context):
        yield finding
        if finding.state is FindingState.FAILURE:
            return


def _walk(context: RequestContext) -> Iterator[Finding]:
    client = context.client
    if not has_proxy(context.pod):
        yield not_captured(context)
        return
    try:
        proxy = read_proxy(context.cluster, client.namespace, client.pod)
    except KubectlError as error:
        gate = Gate(context.cluster, context.region, context.pod)
        what, fix = ("does not run", gate.restart) if is_down(error) else ("could not be read", gate.logs)
        yield failure("client", f"the proxy of {gate} {what}: {error}", fix)
        return
    until = f", certificate until {proxy.expires:%FT%TZ}" if proxy.expires else ""
    yield ok("client", f"{proxy.identity or 'without an identity'}{until}")
    if (expiry := check_certificate(proxy, Gate(context.cluster, context.region, context.pod))) is not None:
        yield expiry
    listener = gateway_listener(context, proxy) if proxy.is_gateway else client_listener(context, proxy)
    if isinstance(listener, Finding):
        yield listener
        return
    yield ok("listener", f"{listener['name']}, {'HTTP' if manager_of(listener) else 'TCP'}")
    if proxy.is_gateway:
        yield from _check_gateway_policies(context, listener)
    yield from _walk_routes(context, proxy, listener)


def _check_gateway_policies(context: RequestContext, listener: Part) -> Iterator[Finding]:
    """Yield why a gateway denies what the load balancer sends."""
    port = listener["address"]["socket_address"]["port_value"]
    filters = manager_of(listener) or {}
    request, peer = replace(context.request, port=port), Peer("", LOAD_BALANCER)
    decision = decide(filters.get("http_filters", ()), request, peer)
    if decision.allowed is not True:
        yield check_decision(context, Gate(context.cluster, context.region, context.pod), decision, peer)


def _walk_routes(context: RequestContext, proxy: Proxy, listener: Part) -> Iterator[Finding]:
    if manager_of(listener) is None:
        tcp = next((one for one in map(tcp_proxy, filter_chains(listener)) if one is not None), {})
        for destination in destinations(tcp):
            yield from _walk_destination(context, proxy, destination, None)
        return
    routes = routes_of(proxy, listener)
    if routes is None:
        text = f"404 NR: the routes of the listener {listener['name']} are missing in the proxy"
        yield failure("route", text, kubectl_command(context.cluster, "--namespace", MESH_NAMESPACE, "get", "pods"))
        return
    host = virtual_host(routes, context.request.host)
    route = None if host is None else chosen_route(host, context.request)
    if host is None or route is None:
        yield _no_route(context, host)
        return
    origin = configured_by(route)
    if not proxy.is_gateway and set(PASSTHROUGH) & {one.cluster for one in destinations(route)}:
        yield unknown_service(context, "no route")
        return
    where = f"{shown_match(route['match'])} of {host['name']}"
    yield ok("route", f"{where}, {origin}" if origin else where)
    yield from check_fault(context, route, origin)
    response = route.get("direct_response", {}).get("status")
    if response is not None or "redirect" in route:
        yield _no_service(context, origin, f"responds with {response} itself" if response else "redirects the request")
        return
    for destination in destinations(route):
        yield from _walk_destination(context, proxy, destination, origin)
    yield from _check_timeouts(context, proxy, route, origin)


def _no_route(context: RequestContext, host: Part | None) -> Finding:
    """Return why no route matches."""
    request = context.request
    known = [] if host is None else host.get("routes", [])
    text = f"404 NR: the proxy has no route for {request.host}{request.path}"
    if not known:
        text += ": no VirtualService for it is in effect"
    else:
        text += f", but for {', '.join(dict.fromkeys(shown_match(one['match']) for one in known))}"
    origins = dict.fromkeys(one for one in map(configured_by, known) if one is not None)
    for origin in origins:
        repair = find_and_repair(context.cluster, origin.resource, origin.namespace, origin.name)
        if repair.how:
            text += f"; {origin}, spec.http{repair.how}"
            return failure("route", text, repair.command).about(str(origin), service=context.callee.name)
    if origins:
        text += f"; {', '.join(map(str, origins))} has no match for it: spec.http"
    return failure("route", text, DEPLOY).about(*map(str, origins), service=context.callee.name)


def _no_service(context: RequestContext, origin: IstioObject | None, what: str) -> Finding:
    """Return that a route does not lead to the service."""
    if origin is None:
        return failure("route", f"the route {what}", DEPLOY)
    found = context.cluster.find(origin.resource, origin.name, "--namespace", origin.namespace, "--show-managed-fields")
    if found is not None and ACCEPTED in found["metadata"].get("annotations", {}):
        return warning("route", f"{origin}, spec.http, {what}; its annotation {ACCEPTED} says why")
    repair = find_and_repair(context.cluster, origin.resource, origin.namespace, origin.name)
    text = f"{origin}, spec.http, {what}{repair.how}"
    return failure("route", text, repair.command).about(str(origin), service=context.callee.name)


def _walk_destination(
    context: RequestContext, proxy: Proxy, destination: Destination, origin: IstioObject | None
) -> Iterator[Finding]:
    share = "" if destination.share == 1 else f"{100 * destination.share:.3g} % of the requests: "
    cluster = proxy.clusters.get(destination.cluster)
    host, port, subset = _cluster_parts(destination.cluster)
    where = f"{host}:{port}" + (f", subset {subset}" if subset else "")
    if cluster is None:
        yield _no_service(context, origin, f"sends requests to {where}, which does not exist: {share}503 NC")
        return
    if host != context.callee.host:
        yield _no_service(context, origin, f"sends {share or 'requests '}to {where}")
    rule = configured_by(cluster)
    endpoints = proxy.endpoints_of(destination.cluster)
    modes = dict.fromkeys(tls_to(proxy, cluster, one.address).value for one in endpoints)
    words = [f"{share}{where}", *([" and ".join(modes)] if modes else []), *([str(rule)] if rule else [])]
    yield ok("cluster", ", ".join(words))
    if not endpoints:
        yield _no_subset(context, rule, subset) if subset and _others(proxy, cluster) else check_no_endpoints(context)
        return
    yield from _walk_endpoints(context, proxy, cluster, endpoints)


def _cluster_parts(name: str) -> tuple[str, str, str]:
    """Return host, port and subset of Istio's name of a cluster; the name and nothing of another one."""
    parts = name.split("|")
    return (parts[3], parts[1], parts[2]) if len(parts) == 4 else (name, "", "")


def _others(proxy: Proxy, cluster: Part) -> bool:
    """Return whether the service of a subset has endpoints in others."""
    host, port, _ = _cluster_parts(cluster["name"])
    return any((one.host, str(one.service_port)) == (host, port) for one in proxy.endpoints)


def _no_subset(context: RequestContext, rule: IstioObject | None, subset: str) -> Finding:
    text = f"503 UH: the labels of the subset {subset} select no pod"
    if rule is None:
        return failure(
            "subset", text, kubectl_command(context.cluster, "--namespace", context.callee.namespace, "get", "pods")
        )
    repair = find_and_repair(context.cluster, rule.resource, rule.namespace, rule.name)
    text += f"; {rule}, spec.subsets{repair.how}"
    return failure("subset", text, repair.command).about(str(rule), service=context.callee.name)


def _walk_endpoints(
    context: RequestContext, proxy: Proxy, cluster: Part, endpoints: Sequence[ProxyEndpoint]
) -> Iterator[Finding]:
    used = used_endpoints(endpoints)
    ejected = [one for one in endpoints if one.ejected]
    yield ok(ENDPOINTS, shown_endpoints(context, endpoints))
    yield from check_drained(context, endpoints)
    # Why an endpoint was ejected is further down the path.
    for one in [*_some(used), *_some(ejected)]:
        yield from check_server(context, Connection(proxy, cluster, one))
    if not used and not ejected:
        yield check_no_endpoints(context)
    elif ejected:
        yield _check_ejected(context, ejected, failing=not used)


def _some(endpoints: Sequence[ProxyEndpoint]) -> list[ProxyEndpoint]:
    """Return a few endpoints of each region."""
    by_region: Mapping[str, list[ProxyEndpoint]] = {one.region: [] for one in endpoints}
    for one in endpoints:
        by_region[one.region].append(one)
    return [one for own in by_region.values() for one in own[:SERVERS]]


def _check_ejected(context: RequestContext, ejected: Sequence[ProxyEndpoint], *, failing: bool) -> Finding:
    """Return that outlier detection keeps requests away from endpoints, where nothing on the path says why."""
    first = ejected[0]
    unconnected = all(one.unconnected and one.unconnected >= one.failed for one in ejected)
    regions = ", ".join(dict.fromkeys(context.region_at(one.region) for one in ejected))
    text = f"{counted(len(ejected), 'endpoint')} in {regions} ejected by outlier detection"
    text = f"503 UH: every endpoint is unavailable; {text}" if failing else text
    text += (
        ": connections to them failed, as by a firewall, a NetworkPolicy or a link that is down"
        if unconnected
        else ": they returned errors"
    )
    found = context.pod_at(first.address)
    if found is None:
        fix = kubectl_command(
            context.cluster, "--namespace", context.callee.namespace, "get", "pods", "--output", "wide"
        )
        text += f", and no pod has the address {first.address}"
    else:
        key, pod = found
        fix = kubectl_command(
            *(context.workloads[key].cluster, "--namespace", context.callee.namespace, "logs", pod["metadata"]["name"]),
            *("--all-containers", "--since=10m"),
        )
    return (failure if failing else warning)(ENDPOINTS, text, fix)


def _check_timeouts(
    context: RequestContext, proxy: Proxy, route: Part, origin: IstioObject | None
) -> Iterator[Finding]:
    """Yield a warning if requests have taken longer than the route allows."""
    limit = route.get("route", {}).get("timeout", "0s")
    late = sum(one.timed_out for one in proxy.endpoints if one.host == context.callee.host and one.outbound)
    if limit == "0s" or not late or origin is None:
        return
    repair = find_and_repair(context.cluster, origin.resource, origin.namespace, origin.name)
    text = f"504 UT: {counted(late, 'request')} took longer than {limit}; {origin}, spec.http[].timeout{repair.how}"
    if repair.how:
        yield failure("timeout", text, repair.command).about(str(origin), service=context.callee.name)
        return
    fix = (
        f"find what makes the service slow, or raise services.{context.callee.name}.timeout_seconds, and run: {DEPLOY}"
    )
    yield warning("timeout", text, fix).about(str(origin), service=context.callee.name)
