"""`mesh status`, of the gateways as the health checks of a load balancer find them, in each region."""

from collections.abc import Iterator, Sequence
from itertools import chain

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.backend_health import HEALTHY, read_backend_health
from cli.sources.front_end import FrontEnd
from cli.sources.google import ApiError, GoogleClient
from cli.sources.member import ObservedCluster
from cli.status.comparison import unknown
from cli.status.control_plane import ready_replicas
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE


def check_backend_health(
    front_end: FrontEnd,
    member: ObservedCluster,
    members: Sequence[ObservedCluster],
    google: GoogleClient,
) -> Iterator[Finding]:
    """Yield whether a load balancer finds the gateways of each region that serves healthy.

    A region without endpoint groups, or without ready gateways, is left out: these are findings of their own.

    Args:
        front_end: The load balancer.
        member: The config cluster, which has responded.
        members: All clusters.
        google: The APIs.

    Raises:
        MeshError: There are no credentials.
    """
    services = front_end.backend_services(front_end.find(member.live))
    try:
        zones = read_backend_health(google, services)
    except ApiError as error:
        yield unknown(f"backends of {front_end.name}", error, "compute", member.project)
        return
    for each in members:
        groups = [one for zone, one in zones.items() if zone.rpartition("-")[0] == each.region.location]
        if groups and each.region.serves and _may_be_healthy(each):
            fix = f"gcloud compute backend-services get-health {services[0]} --global --project {member.project}"
            yield _check_region(f"backends of {front_end.name} in {each.key}", [*chain(*groups)], fix)


def _may_be_healthy(member: ObservedCluster) -> bool:
    """Return whether a gateway of the cluster is ready, or that is not known."""
    if member.objects is None:
        return True
    gateway = member.live.deployment(GATEWAY_NAMESPACE, GATEWAY_NAME)
    return gateway is not None and ready_replicas(gateway)[0] > 0


def _check_region(name: str, states: Sequence[str], fix: str) -> Finding:
    healthy = states.count(HEALTHY)
    text = f"{healthy} of {len(states)} healthy" if states else "no endpoints"
    if healthy == 0:
        return failure(name, f"{text}: the load balancer sends no requests there", fix)
    return ok(name, text) if healthy == len(states) else warning(name, text, fix)
