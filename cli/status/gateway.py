"""`mesh status`, of multi-cluster Gateway: what its controller reports of each Gateway and of its routes.

Sources: https://gateway-api.sigs.k8s.io/guides/implementers/#conditions,
https://cloud.google.com/kubernetes-engine/docs/how-to/deploying-multi-cluster-gateways
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cli.report.findings import Finding, failure
from cli.sources.cluster_objects import Object, identity
from cli.sources.front_end import FrontEnd
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import unknown
from cli.status.load_balancer import check_address
from config.ingress import EXTERNAL
from config.naming import GATEWAY_NAMESPACE
from config.plural import counted

KINDS = ("Gateway", "HTTPRoute", "ServiceExport", "ServiceImport")
"""Whose events the controllers write."""

FAULTS = ("Conflicted", "OverlappingTLSConfig", "PartiallyInvalid")
"""Conditions that are true if something is wrong; all others are false then.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (ListenerConditionType, RouteConditionType)
"""

ADDRESS = "networking.gke.io/ephemeral-ipv4-address/"
"""How the type of an address of an internal Gateway begins; a region follows."""

WAITING = "Pending"
"""Reason of a condition that no controller has set yet."""

ROUTE = "httproutes.gateway.networking.k8s.io"


def check_gateway(front_end: FrontEnd, member: ObservedCluster, reserved: LookupResult) -> Iterator[Finding]:
    """Yield whether the load balancer of a Gateway serves as configured.

    Args:
        front_end: The load balancer.
        member: The config cluster, which has responded.
        reserved: The address of the external Gateway, as Compute Engine has it.
    """
    gateway, name = front_end.find(member.live), front_end.name
    if gateway is None:
        yield failure(f"Gateway {name}", "missing", DEPLOY).about(front_end.reference)
        return
    if isinstance(reserved, ApiError) and reserved.no_response and _is_untouched(gateway):
        return  # the controller is Google's
    describe = front_end.describe(member.kubectl)
    wrong = _problems(gateway, gateway.get("status", {}), ("Accepted", "Programmed"))
    yield failure_or_ok(f"Gateway {name}", wrong, "accepted and programmed", describe)
    yield _check_address(front_end, member, gateway, reserved)
    attached = [(route, parent) for route in _own(member.live.routes) for parent in _parents(route, name)]
    for listener in gateway["spec"].get("listeners", ()):
        yield _check_listener(name, gateway, listener, attached, describe)
    yield from _check_routes(front_end, member, [route for route, _ in attached])


def check_policies(member: ObservedCluster) -> Iterator[Finding]:
    """Yield a failure for each policy that the controller has not attached to the Gateway or the ServiceImport."""
    for one in _own(member.live.policies):
        for each in one.get("status", {}).get("conditions", ()):
            if each["status"] == "False":
                resource = f"{one['kind'].lower()}.networking.gke.io"
                fix = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} describe {resource} {one['metadata']['name']}"
                text = f"{_describe(each)}: it is not in effect"
                yield failure(f"{one['kind']} {one['metadata']['name']}", text, fix)


def _own(items: Iterable[Object]) -> list[Object]:
    return [one for one in items if one["metadata"]["namespace"] == GATEWAY_NAMESPACE]


def _is_untouched(gateway: Object) -> bool:
    """Return whether no controller has written a Gateway's status: its CRD has a default for it."""
    conditions = gateway.get("status", {}).get("conditions", ())
    return all(one.get("reason") == WAITING for one in conditions)


def _problems(one: Object, status: Mapping[str, Any], required: Sequence[str]) -> list[str]:
    """Return the conditions that report a problem, whichever the controller writes, and those that are missing.

    Args:
        one: The object, whose generation tells whether a condition is of its last change.
        status: Of the object or of a part of it.
        required: The conditions that have to be reported.
    """
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    wrong = [_describe(each) for kind, each in conditions.items() if (each["status"] == "True") == (kind in FAULTS)]
    if missing := [kind for kind in required if kind not in conditions]:
        wrong.append(f"not reported yet: {', '.join(missing)}")
    generation = one["metadata"].get("generation", 0)
    if any(each.get("observedGeneration", generation) < generation for each in conditions.values()):
        wrong.append("the controller has not processed the last change yet")
    return wrong


def _describe(condition: Mapping[str, Any]) -> str:
    """Return a condition in words."""
    reason = ": ".join(filter(None, (condition.get("reason", ""), condition.get("message", ""))))
    kind = condition["type"].rpartition("/")[2]
    return f"{kind} is {condition['status']}{f', {reason}' if reason else ''}"


def _check_address(front_end: FrontEnd, member: ObservedCluster, gateway: Object, reserved: LookupResult) -> Finding:
    """Check that the load balancer has the reserved address, or, if it is internal, one in each region of its own."""
    name = f"address of {front_end.name}"
    if not front_end.is_internal:
        if isinstance(reserved, ApiError):
            return unknown(name, reserved, "compute", member.project)
        if reserved is None:
            return failure(name, f"{member.environment.names.gateway_address} is not reserved", DEPLOY)
        return check_address(name, front_end, member, gateway, reserved["address"])
    wanted = [
        str(one.get("value", "")) or str(one.get("type", "")).removeprefix(ADDRESS)
        for one in gateway["spec"].get("addresses", ())
    ]
    found = front_end.addresses(gateway)
    wrong = [] if len(found) >= len(wanted) else [f"{len(found)} of {len(wanted)}, for {', '.join(wanted)}"]
    return failure_or_ok(name, wrong, ", ".join(found), front_end.describe(member.kubectl))


def _parents(route: Object, gateway: str) -> list[Mapping[str, Any]]:
    """Return a route's references to a Gateway of its namespace."""
    references = route["spec"].get("parentRefs", ())
    return [one for one in references if one["name"] == gateway and one.get("kind", "Gateway") == "Gateway"]


def _check_listener(
    gateway: str,
    one: Object,
    listener: Mapping[str, Any],
    attached: Sequence[tuple[Object, Mapping[str, Any]]],
    describe: str,
) -> Finding:
    """Check that a listener is programmed, and that the routes are attached to it that refer to it, and no others.

    Args:
        gateway: Name of the Gateway.
        one: The Gateway.
        listener: The listener, as the Gateway requests it.
        attached: The routes that refer to the Gateway, each with its reference.
        describe: The command that shows why.
    """
    name = f"listener {gateway}/{listener['name']}"
    reported = one.get("status", {}).get("listeners") or ()
    status = next((each for each in reported if each["name"] == listener["name"]), None)
    if status is None:
        return failure(name, "not reported yet", describe)
    wrong = _problems(one, status, ("Accepted", "Programmed", "ResolvedRefs"))
    wanted = sum(parent.get("sectionName", listener["name"]) == listener["name"] for _, parent in attached)
    number = status.get("attachedRoutes", 0)
    if number != wanted:
        wrong.append(f"{counted(number, 'route')} attached, but {wanted} refer to it in {GATEWAY_NAMESPACE}")
    right = f"{listener['protocol']} on port {listener['port']}, {counted(wanted, 'route')}"
    return failure_or_ok(name, wrong, right, describe)


def _check_routes(front_end: FrontEnd, member: ObservedCluster, routes: Sequence[Object]) -> Iterator[Finding]:
    """Yield whether the controller has accepted each route, and each route to the Gateway that no stack applies.

    Args:
        front_end: The load balancer of the Gateway.
        member: The config cluster.
        routes: The routes that refer to it.
    """
    gateway = front_end.name
    named = {identity(route)[1]: route for route in routes}
    for name in route_names(member, gateway):
        about = f"HTTPRoute {GATEWAY_NAMESPACE}/{name}"
        if name not in named:
            yield failure(f"route {name}", f"missing, or not of the Gateway {gateway}", DEPLOY).about(about)
            continue
        route = named.pop(name)
        states = [
            one for one in route.get("status", {}).get("parents") or () if one["parentRef"].get("name") == gateway
        ]
        wrong = [text for one in states for text in _problems(route, one, ("Accepted", "ResolvedRefs"))]
        wrong += [] if states else ["no controller has processed it yet"]
        describe = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} describe {ROUTE} {name}"
        yield failure_or_ok(f"route {name}", list(dict.fromkeys(wrong)), "accepted", describe)
    for name in named:
        text = f"no stack applies it; it is in effect for users of the Gateway {gateway}"
        delete = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} delete {ROUTE} {name}"
        yield failure(f"route {name}", text, delete)


def route_names(member: ObservedCluster, gateway: str) -> list[str]:
    """Return the names of the routes that the stacks apply for a Gateway."""
    ingress = member.environment.ingress
    redirects = gateway == EXTERNAL and ingress.domains and not ingress.plain_http
    return [gateway, *([f"{gateway}-redirect"] if redirects else [])]
