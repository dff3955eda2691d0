"""`mesh status`, of the load balancers in front of the gateways: what holds of each, whichever controller builds it."""

from collections.abc import Collection, Sequence

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object
from cli.sources.front_end import FrontEnd
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import differs, unknown
from config.plural import counted

MOST_EVENTS = 5


def check_config_cluster(members: Sequence[ObservedCluster], feature: LookupResult) -> Finding:
    """Return whether the fleet reads the objects from the configured cluster."""
    name = "config cluster"
    wanted = next(one for one in members if one.key == one.environment.ingress.config_cluster)
    if isinstance(feature, ApiError):
        return unknown(name, feature, "gkehub", wanted.project)
    if feature is None:
        return failure(name, "the feature is disabled", DEPLOY)
    link = feature.get("spec", {}).get("multiclusteringress", {}).get("configMembership", "")
    place = "/".join(link.split("/")[2:])
    own = "/".join(wanted.fleet.get("name", "").split("/")[2:])
    wrong = [] if own and place == own else differs(link or "none", wanted.key)
    return failure_or_ok(name, wrong, wanted.key, DEPLOY)


def check_address(name: str, front_end: FrontEnd, member: ObservedCluster, one: Object, reserved: str) -> Finding:
    """Check that a load balancer has the address that is reserved for it.

    Args:
        name: Of the finding.
        front_end: The load balancer.
        member: The config cluster.
        one: The load balancer's object.
        reserved: The address.
    """
    serving = ", ".join(front_end.addresses(one)) or "none"
    wrong = [] if serving == reserved else [f"{reserved} is reserved, but the load balancer has {serving}"]
    return failure_or_ok(name, wrong, reserved, front_end.describe(member.kubectl))


def check_served_regions(members: Sequence[ObservedCluster], having: Collection[str], where: str, fix: str) -> Finding:
    """Check that a load balancer has endpoints in each region that serves, and in no drained one.

    Args:
        members: All clusters.
        having: Keys of the regions in which it has endpoints.
        where: The places in which it has them, such as their number of zones; empty if that is not known.
        fix: The command that shows why.
    """
    present = [one for one in members if not one.region.retired]
    without = [one.key for one in present if one.region.serves and one.key not in having]
    drained = [one.key for one in present if one.region.drained]
    undrained = [key for key in drained if key in having]
    wrong = [f"none in {', '.join(without)}: the load balancer sends no requests there"] if without else []
    wrong += [f"still in {', '.join(undrained)}, which the configuration drains"] if undrained else []
    everywhere = f"in every region but {', '.join(drained)}, as configured" if drained else "in every region"
    return failure_or_ok("endpoints", wrong, f"{where}, {everywhere}" if where else everywhere, fix)


def check_events(events: Sequence[Object], kinds: Collection[str], describe: str) -> Finding:
    """Check the last hour's events of some kinds, which is how long Kubernetes keeps them."""
    about = [one for one in events if one.get("involvedObject", {}).get("kind") in kinds]
    warnings = [f"{one.get('reason', '')}: {one.get('message', '')}" for one in about if one.get("type") == "Warning"]
    if not warnings:
        return ok("events", f"{counted(len(about), 'event')}, without warnings")
    distinct = list(dict.fromkeys(warnings))
    more = f"; {len(distinct) - MOST_EVENTS} more" if len(distinct) > MOST_EVENTS else ""
    return warning("events", "; ".join(distinct[:MOST_EVENTS]) + more, describe)
