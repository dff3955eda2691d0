"""`mesh status`, of Multi Cluster Ingress: its address, its load balancer, the events of its controller.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/troubleshooting-and-ops
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object, identity
from cli.sources.google import ApiError, LookupResult
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import differs, unknown
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from config.plural import counted

STATIC_IP = "networking.gke.io/static-ip"
CERTIFICATES = "networking.gke.io/pre-shared-certs"
PARTS = ("ForwardingRules", "TargetProxies", "UrlMap", "BackendServices", "HealthChecks", "NetworkEndpointGroups")
"""What a load balancer consists of, as the controller names it in ``status.CloudResources``."""

KINDS = ("MultiClusterIngress", "MultiClusterService")
MOST_EVENTS = 5
INGRESS_OBJECT = f"MultiClusterIngress {GATEWAY_NAMESPACE}/{GATEWAY_NAME}"


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


def check_ingress(
    member: ObservedCluster,
    members: Sequence[ObservedCluster],
    reserved: LookupResult,
    certificates: Mapping[str, LookupResult],
) -> Iterator[Finding]:
    """Yield whether the load balancer serves as configured.

    Args:
        member: The config cluster, which has responded.
        members: All clusters.
        reserved: The address, as Compute Engine has it.
        certificates: As Compute Engine has them, by domain.
    """
    ingress = own(member.live.ingresses)
    missing = [kind for kind, items in zip(KINDS, (ingress, own(member.live.services)), strict=True) if items is None]
    text = f"MultiClusterIngress and MultiClusterService exist in {member.key}"
    about = (f"{kind} {GATEWAY_NAMESPACE}/{GATEWAY_NAME}" for kind in missing)
    yield failure_or_ok("objects", [f"the {kind} is missing" for kind in missing], text, DEPLOY).about(*about)
    if ingress is None:
        return
    describe = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} describe multiclusteringress {GATEWAY_NAME}"
    yield _check_address(member, ingress, reserved, describe)
    yield from _check_certificates(member, ingress, reserved, certificates)
    if isinstance(reserved, ApiError) and reserved.no_response and "status" not in ingress:
        return  # the controller is Google's
    resources = ingress.get("status", {}).get("CloudResources", {})
    absent = [part for part in PARTS if not resources.get(part)]
    wrong = [f"not created yet: {', '.join(absent)}"] if absent else []
    yield failure_or_ok("load balancer", wrong, ", ".join(resources.get("ForwardingRules", [])), describe)
    yield _check_endpoints(members, resources, describe)
    yield _check_events(member.live.events, describe)


def own(items: Sequence[Object]) -> Object | None:
    """Return the object that the ingress stack has created."""
    return next((one for one in items if identity(one) == (GATEWAY_NAMESPACE, GATEWAY_NAME)), None)


def vip(member: ObservedCluster) -> str:
    """Return the address that the controller reports; empty if it reports none."""
    ingress = own(member.objects.ingresses) if member.objects is not None else None
    return "" if ingress is None else str(ingress.get("status", {}).get("VIP", ""))


def _check_address(member: ObservedCluster, ingress: Object, reserved: LookupResult, describe: str) -> Finding:
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
        return failure(name, text, DEPLOY).about(INGRESS_OBJECT)
    serving = ingress.get("status", {}).get("VIP", "")
    wrong = [] if serving == wanted else [f"{wanted} is reserved, but the load balancer has {serving or 'none'}"]
    return failure_or_ok(name, wrong, wanted, describe)


def _check_certificates(
    member: ObservedCluster, ingress: Object, reserved: LookupResult, certificates: Mapping[str, LookupResult]
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
                yield failure(title, "the MultiClusterIngress does not reference it", DEPLOY).about(INGRESS_OBJECT)
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
    """Check that the load balancer has endpoints in each region that serves, and in no drained one.

    Groups of endpoints are zonal.

    The controller writes ``zones/ZONE/networkEndpointGroups/NAME``.
    """
    zones = {group.split("/")[1] for group in resources.get("NetworkEndpointGroups", []) if group.startswith("zones/")}
    present = [one.region for one in members if not one.region.retired]
    having = {one.key for one in present if any(zone.startswith(f"{one.location}-") for zone in zones)}
    without = [one.key for one in present if one.serves and one.key not in having]
    drained = [one.key for one in present if one.drained]
    undrained = [key for key in drained if key in having]
    wrong = [f"none in {', '.join(without)}: the load balancer sends no requests there"] if without else []
    wrong += [f"still in {', '.join(undrained)}, which the configuration drains"] if undrained else []
    where = f"in every region but {', '.join(drained)}, as configured" if drained else "in every region"
    return failure_or_ok("endpoints", wrong, f"in {counted(len(zones), 'zone')}, {where}", describe)


def _check_events(events: Sequence[Object], describe: str) -> Finding:
    """Check the last hour's events, which is how long Kubernetes keeps them."""
    about = [one for one in events if one.get("involvedObject", {}).get("kind") in KINDS]
    warnings = [f"{one.get('reason', '')}: {one.get('message', '')}" for one in about if one.get("type") == "Warning"]
    if not warnings:
        return ok("events", f"{counted(len(about), 'event')}, without warnings")
    distinct = list(dict.fromkeys(warnings))
    more = f"; {len(distinct) - MOST_EVENTS} more" if len(distinct) > MOST_EVENTS else ""
    return warning("events", "; ".join(distinct[:MOST_EVENTS]) + more, describe)
