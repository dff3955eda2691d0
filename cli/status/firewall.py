"""`mesh status`, of the firewall: it admits pods of other regions, injectors, and the internal load balancer.

Hierarchical firewall policies and those of the network are not read.
Source: https://cloud.google.com/firewall/docs/firewalls
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from cli.report.findings import Finding, failure
from cli.sources.google import ApiError
from cli.sources.member import failure_or_ok
from cli.sources.resources import CloudResource
from cli.status.comparison import unknown
from config import Environment
from config.network import FIREWALL_PRIORITY

DEPLOY_NETWORK = "cdktf deploy network"
ANYWHERE = ("0.0.0.0/0",)

Rules = Mapping[str, frozenset[str]]
"""A rule's configuration: its sources, its targets and what it admits."""


def check_firewall(environment: Environment, found: Sequence[CloudResource] | ApiError) -> Iterator[Finding]:
    """Yield whether the mesh's firewall rules admit what they have to, and which other rules deny it.

    Args:
        environment: The environment.
        found: All firewall rules of the project.
    """
    if isinstance(found, ApiError):
        yield unknown("firewall rules", found, "compute", environment.project.id)
        return
    network = f"projects/{environment.project.id}/global/networks/{environment.names.vpc}"
    rules = [one for one in found if one.is_on(network)]
    by_name = {one.name: one.content for one in rules}
    for name, wanted in _expected(environment).items():
        yield _check_rule(name, wanted, by_name.get(name))
    yield from (_denial(one) for one in rules if _denies(environment, one.content))


def _expected(environment: Environment) -> dict[str, Rules]:
    """Return the rules of the stack `network`, by name."""
    regions = environment.resolved_regions()
    pods = {
        "sources": frozenset(str(one.ranges.pods) for one in regions),
        "target tags": frozenset(one.names.node_tag for one in regions),
        "protocols": frozenset(environment.network.pod_protocols),
    }
    ports = environment.control_plane.webhook_ports
    webhooks = {
        one.names.webhook_firewall: {
            "sources": frozenset([str(one.ranges.control_plane)]),
            "target tags": frozenset([one.names.node_tag]),
            "protocols": frozenset(f"tcp:{port}" for port in ports),
        }
        for one in regions
        if ports
    }
    proxies = {
        "sources": frozenset(str(one.proxies) for one in regions if one.proxies is not None),
        "target tags": pods["target tags"],
        "protocols": frozenset(("tcp:80", "tcp:15021")),
    }
    balancer = {environment.names.internal_load_balancer_firewall: proxies} if proxies["sources"] else {}
    return {environment.names.pods_firewall: pods, **webhooks, **balancer}


def _check_rule(name: str, wanted: Rules, found: Mapping[str, Any] | None) -> Finding:
    title = f"firewall rule {name}"
    if found is None:
        return failure(title, "it is missing", DEPLOY_NETWORK)
    wrong = ["it is disabled"] if found.get("disabled") else []
    actual: Rules = {
        "sources": frozenset(found.get("sourceRanges", [])),
        "target tags": frozenset(found.get("targetTags", [])),
        "protocols": frozenset(_protocols(found.get("allowed", []))),
    }
    for what, right in wanted.items():
        missing, added = sorted(right - actual[what]), sorted(actual[what] - right)
        wrong += [f"{what}: {', '.join(missing)} missing"] if missing else []
        wrong += [f"{what}: {', '.join(added)} added"] if added else []
    return failure_or_ok(title, wrong, f"admits {', '.join(sorted(wanted['protocols']))}", DEPLOY_NETWORK)


def _protocols(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in entries:
        protocol = str(one["IPProtocol"]).lower()
        ports = one.get("ports", [])
        yield from (f"{protocol}:{port}" for port in ports) if ports else [protocol]


def _denies(environment: Environment, rule: Mapping[str, Any]) -> bool:
    """Return whether a rule denies traffic between pods of the mesh.

    Of two rules with the same priority, the one that denies wins. A rule for incoming traffic is overruled by the
    mesh's own; nothing overrules one for outgoing traffic but another rule, which is not looked for.
    """
    if rule.get("disabled") or not _denied(environment, rule):
        return False
    incoming = rule["direction"] == "INGRESS"
    if incoming and rule["priority"] > FIREWALL_PRIORITY:
        return False
    regions = environment.resolved_regions()
    networks = [ip_network(one) for one in rule.get("sourceRanges" if incoming else "destinationRanges", ANYWHERE)]
    tags = set(rule.get("targetTags", []))
    accounts = {one.partition("@")[0] for one in rule.get("targetServiceAccounts", [])}
    to_nodes = not (tags or accounts) or any(
        one.names.node_tag in tags or one.names.node_service_account in accounts for one in regions
    )
    return to_nodes and any(
        one.version == 4 and one.overlaps(region.ranges.pods) for one in networks for region in regions
    )


def _denied(environment: Environment, rule: Mapping[str, Any]) -> list[str]:
    """Return what a rule denies of the protocols between pods."""
    found = list(_protocols(rule.get("denied", [])))
    return [one for one in found if one == "all" or one.partition(":")[0] in environment.network.pod_protocols]


def _denial(rule: CloudResource) -> Finding:
    content = rule.content
    what = ", ".join(_protocols(content["denied"]))
    direction = "to" if content.get("direction") == "EGRESS" else "from"
    ranges = content.get("destinationRanges" if direction == "to" else "sourceRanges", ANYWHERE)
    text = f"it denies {what} {direction} {', '.join(ranges)}, with priority {content['priority']}"
    return failure(f"foreign firewall rule {rule.name}", text, rule.delete_command)
