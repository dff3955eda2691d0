"""`mesh status`, of Multi Cluster Ingress: its address, its load balancer, the events of its controller.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/troubleshooting-and-ops
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object, find_object
from cli.sources.front_end import FrontEnd
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import unknown
from cli.status.load_balancer import check_address, check_events, check_served_regions
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.plural import counted

STATIC_IP = "networking.gke.io/static-ip"
CERTIFICATES = "networking.gke.io/pre-shared-certs"
PARTS = ("ForwardingRules", "TargetProxies", "UrlMap", "BackendServices", "HealthChecks", "NetworkEndpointGroups")
"""What a load balancer consists of, as the controller names it in ``status.CloudResources``."""

KINDS = ("MultiClusterIngress", "MultiClusterService")


def check_ingress(
    front_end: FrontEnd,
    member: ObservedCluster,
    members: Sequence[ObservedCluster],
    reserved: LookupResult,
    certificates: Mapping[str, LookupResult],
) -> Iterator[Finding]:
    """Yield whether the load balancer serves as configured.

    Args:
        front_end: The load balancer.
        member: The config cluster, which has responded.
        members: All clusters.
        reserved: The address, as Compute Engine has it.
        certificates: As Compute Engine has them, by domain.
    """
    ingress = front_end.find(member.live)
    service = find_object(member.live.services, GATEWAY_NAMESPACE, GATEWAY_NAME)
    missing = [kind for kind, one in zip(KINDS, (ingress, service), strict=True) if one is None]
    text = f"MultiClusterIngress and MultiClusterService exist in {member.key}"
    about = (f"{kind} {GATEWAY_NAMESPACE}/{GATEWAY_NAME}" for kind in missing)
    yield failure_or_ok("objects", [f"the {kind} is missing" for kind in missing], text, DEPLOY).about(*about)
    if ingress is None:
        return
    describe = front_end.describe(member.kubectl)
    yield _check_address(front_end, member, ingress, reserved)
    yield from _check_certificates(front_end, member, ingress, reserved, certificates)
    if isinstance(reserved, ApiError) and reserved.no_response and "status" not in ingress:
        return  # the controller is Google's
    resources = ingress.get("status", {}).get("CloudResources", {})
    absent = [part for part in PARTS if not resources.get(part)]
    wrong = [f"not created yet: {', '.join(absent)}"] if absent else []
    yield failure_or_ok("load balancer", wrong, ", ".join(resources.get("ForwardingRules", [])), describe)
    yield _check_endpoints(members, resources, describe)
    yield check_events(member.live.events, KINDS, describe)


def _check_address(front_end: FrontEnd, member: ObservedCluster, ingress: Object, reserved: LookupResult) -> Finding:
    """Check that the reserved address is the one that the object requests, and the one that serves."""
    name = "address"
    if isinstance(reserved, ApiError):
        return unknown(name, reserved, "compute", member.project)
    if reserved is None:
        return failure(name, f"{member.environment.names.ingress_address} is not reserved", DEPLOY)
    wanted = reserved["address"]
    requested = ingress["metadata"].get("annotations", {}).get(STATIC_IP, "none")
    if requested != wanted:
        text = f"{wanted} is reserved, but the MultiClusterIngress requests {requested}"
        return failure(name, text, DEPLOY).about(front_end.reference)
    return check_address(name, front_end, member, ingress, wanted)


def _check_certificates(
    front_end: FrontEnd,
    member: ObservedCluster,
    ingress: Object,
    reserved: LookupResult,
    certificates: Mapping[str, LookupResult],
) -> Iterator[Finding]:
    """Check that each domain has a certificate, and that the load balancer uses it.

    Source: https://cloud.google.com/load-balancing/docs/ssl-certificates/troubleshooting (from memory)
    """
    named = ingress["metadata"].get("annotations", {}).get(CERTIFICATES, "").split(",")
    for domain, certificate in certificates.items():
        title = f"certificate of {domain}"
        if isinstance(certificate, ApiError):
            yield unknown(title, certificate, "compute", member.project)
        elif certificate is None or member.environment.names.certificate(domain) not in named:
            if certificate is None:
                yield failure(title, "missing", DEPLOY)
            else:
                yield failure(title, "the MultiClusterIngress does not reference it", DEPLOY).about(front_end.reference)
        else:
            managed = certificate.get("managed", {})
            state = managed.get("domainStatus", {}).get(domain, managed.get("status", "unknown"))
            if state == "ACTIVE":
                yield ok(title, "active")
                continue
            address = reserved["address"] if isinstance(reserved, dict) else "ADDRESS"
            fix = f"create the DNS record {domain}. A {address}, and wait up to an hour"
            yield warning(title, f"{state}: HTTPS fails until Google has provisioned it", fix)


def _check_endpoints(members: Sequence[ObservedCluster], resources: Mapping[str, Any], describe: str) -> Finding:
    """Check the zones in which the load balancer has groups of endpoints.

    The controller writes ``zones/ZONE/networkEndpointGroups/NAME``.
    """
    zones = {group.split("/")[1] for group in resources.get("NetworkEndpointGroups", []) if group.startswith("zones/")}
    locations = {zone.rpartition("-")[0] for zone in zones}
    having = {one.key for one in members if one.region.location in locations}
    return check_served_regions(members, having, f"in {counted(len(zones), 'zone')}", describe)
