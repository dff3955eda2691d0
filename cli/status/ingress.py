"""`mesh status`, of Multi Cluster Ingress: its address, its load balancer, what its controller has to say.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/troubleshooting-and-ops
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object
from cli.sources.described import LookupResult
from cli.sources.google import ApiError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY, api_error_fix
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE

STATIC_IP = "networking.gke.io/static-ip"
CERTIFICATES = "networking.gke.io/pre-shared-certs"
PARTS = ("ForwardingRules", "TargetProxies", "UrlMap", "BackendServices", "HealthChecks", "NetworkEndpointGroups")
"""What a load balancer consists of, as the controller names it in ``status.CloudResources``."""

KINDS = ("MultiClusterIngress", "MultiClusterService")
MOST_EVENTS = 5


def look_at_config_cluster(members: Sequence[ObservedCluster], feature: LookupResult) -> Finding:
    """Return whether the fleet takes the objects from the cluster that the configuration says."""
    name = "config cluster"
    wanted = next(one for one in members if one.key == one.environment.ingress.config_cluster)
    if not isinstance(feature, dict):
        why = f"not known: {feature}" if isinstance(feature, ApiError) else "the feature is off"
        fix = (
            api_error_fix(feature, "gkehub", wanted.environment.project.id) if isinstance(feature, ApiError) else DEPLOY
        )
        return failure(name, why, fix)
    link = feature.get("spec", {}).get("multiclusteringress", {}).get("configMembership", "")
    place = "/".join(link.split("/")[2:])
    own = wanted.membership["name"] if isinstance(wanted.membership, dict) else ""
    right = place == "/".join(own.split("/")[2:]) and bool(own)
    wrong = [] if right else [f"{link or 'none'}, and the configuration says {wanted.key}"]
    return failure_or_ok(name, wrong, wanted.key, DEPLOY)


def look_at_ingress(
    member: ObservedCluster,
    members: Sequence[ObservedCluster],
    reserved: LookupResult,
    certificates: Mapping[str, LookupResult],
) -> Iterator[Finding]:
    """Yield what is to be said of the load balancer.

    Args:
        member: the config cluster, which has answered.
        reserved: the address, as Compute Engine has it.
        certificates: the same of them, by domain.
    """
    assert member.objects is not None
    ingress = own(member.objects.ingresses)
    missing = [
        kind for kind, items in zip(KINDS, (ingress, own(member.objects.services)), strict=True) if items is None
    ]
    text = f"a MultiClusterIngress and a MultiClusterService are in {member.key}"
    yield failure_or_ok("objects", [f"there is no {kind}" for kind in missing], text, DEPLOY)
    if ingress is None:
        return
    describe = f"{member.kubectl} --namespace {GATEWAY_NAMESPACE} describe multiclusteringress {GATEWAY_NAME}"
    yield _address(member, ingress, reserved, describe)
    yield from _certificates(member, ingress, reserved, certificates)
    resources = ingress.get("status", {}).get("CloudResources", {})
    absent = [part for part in PARTS if not resources.get(part)]
    names = resources.get("ForwardingRules", [])
    yield failure_or_ok(
        "load balancer", [f"not made yet: {', '.join(absent)}"] if absent else [], ", ".join(names), describe
    )
    yield _endpoints(members, resources, describe)
    yield _events(member.objects.events, describe)


def own(items: Sequence[Object]) -> Object | None:
    """Return the one of the objects that is the stacks'."""
    names = ((one["metadata"]["namespace"], one["metadata"]["name"], one) for one in items)
    return next((one for namespace, name, one in names if (namespace, name) == (GATEWAY_NAMESPACE, GATEWAY_NAME)), None)


def vip(member: ObservedCluster | None) -> str:
    """Return the address that the controller reports; empty if it reports none."""
    ingress = own(member.objects.ingresses) if member is not None and member.objects is not None else None
    return "" if ingress is None else str(ingress.get("status", {}).get("VIP", ""))


def _address(member: ObservedCluster, ingress: Object, reserved: LookupResult, describe: str) -> Finding:
    """The reserved address, the one that the object asks for and the one that serves are the same."""
    name = "address"
    project = member.environment.project.id
    if isinstance(reserved, ApiError):
        return failure(name, f"not known: {reserved}", api_error_fix(reserved, "compute", project))
    if reserved is None:
        return failure(name, f"{member.environment.names.ingress_address} is not reserved", DEPLOY)
    wanted = reserved["address"]
    asked = ingress["metadata"].get("annotations", {}).get(STATIC_IP, "none")
    if asked != wanted:
        return failure(name, f"{wanted} is reserved, and the object asks for {asked}", DEPLOY)
    serving = ingress.get("status", {}).get("VIP", "")
    wrong = [] if serving == wanted else [f"{wanted} is reserved, and {serving or 'none'} serves"]
    return failure_or_ok(name, wrong, wanted, describe)


def _certificates(
    member: ObservedCluster, ingress: Object, reserved: LookupResult, certificates: Mapping[str, LookupResult]
) -> Iterator[Finding]:
    """Each domain's certificate is made, and the load balancer is told of it.

    Source: https://cloud.google.com/load-balancing/docs/ssl-certificates/troubleshooting (from memory)
    """
    named = ingress["metadata"].get("annotations", {}).get(CERTIFICATES, "").split(",")
    project, names = member.environment.project.id, member.environment.names
    for domain, answer in certificates.items():
        title = f"certificate of {domain}"
        if isinstance(answer, ApiError):
            yield failure(title, f"not known: {answer}", api_error_fix(answer, "compute", project))
        elif answer is None or names.certificate(domain) not in named:
            yield failure(title, "there is none" if answer is None else "the object doesn't name it", DEPLOY)
        else:
            managed = answer.get("managed", {})
            state = managed.get("domainStatus", {}).get(domain, managed.get("status", "not known"))
            if state == "ACTIVE":
                yield ok(title, "Google has made it")
                continue
            address = reserved["address"] if isinstance(reserved, dict) else "the ingress' address"
            fix = f"see that the DNS record is there: {domain}. A {address}; after that it may take an hour"
            yield warning(title, f"{state}: until Google has made it, HTTPS fails", fix)


def _endpoints(members: Sequence[ObservedCluster], resources: Mapping[str, Any], describe: str) -> Finding:
    """Whether the load balancer sends requests to every region: groups of endpoints are in zones.

    The controller writes ``zones/ZONE/networkEndpointGroups/NAME``.
    """
    zones = {group.split("/")[1] for group in resources.get("NetworkEndpointGroups", []) if group.startswith("zones/")}
    present = [one.region for one in members if not one.region.retired]
    without = [one.key for one in present if not any(zone.startswith(f"{one.location}-") for zone in zones)]
    wrong = [f"none in {', '.join(without)}: no request goes there"] if without else []
    return failure_or_ok("endpoints", wrong, f"in {len(zones)} zones, of every region", describe)


def _events(events: Sequence[Object], describe: str) -> Finding:
    """Warnings of the last hour, for which events are kept."""
    about = [one for one in events if one.get("involvedObject", {}).get("kind") in KINDS]
    warnings = [f"{one.get('reason', '')}: {one.get('message', '')}" for one in about if one.get("type") == "Warning"]
    if not warnings:
        return ok("events", f"no warning among {len(about)}")
    unlike = list(dict.fromkeys(warnings))
    more = f"; and {len(unlike) - MOST_EVENTS} others" if len(unlike) > MOST_EVENTS else ""
    return warning("events", "; ".join(unlike[:MOST_EVENTS]) + more, describe)
