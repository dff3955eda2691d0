"""Firewall rules: sources, targets, protocols, ports and logs."""

from policy.environment import Block, Entity
from policy.rule import rule


@rule("google_compute_firewall")
def firewall_sources(firewall: Block, entity: Entity) -> bool:
    """Firewall rules allow traffic from ranges of this environment only.

    A wider source also allows other machines with a neighbouring address. Multi Cluster Ingress creates the rules for
    the load balancer's front ends itself.
    Source: https://cloud.google.com/firewall/docs/firewalls#sources
    """
    return len(firewall["source_ranges"]) > 0 and set(firewall["source_ranges"]) <= entity.environment.own_ranges()


@rule("google_compute_firewall")
def firewall_ports(firewall: Block, entity: Entity) -> bool:
    """Firewall rules name their ports, except between pods.

    A service can listen on any port, and the mesh authorizes its callers. Traffic from outside the mesh bypasses
    that authorization.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules
    """
    if "allow" not in firewall:
        return len(firewall["deny"]) > 0
    if firewall.get("source_ranges") and set(firewall["source_ranges"]) <= entity.environment.pod_ranges():
        return True
    return all(allow["ports"] and all(port.isdecimal() for port in allow["ports"]) for allow in firewall["allow"])


@rule("google_compute_firewall")
def firewall_protocols(firewall: Block, _: Entity) -> bool:
    """Firewall rules allow tcp only.

    Sidecars handle no other protocol, so that another protocol bypasses them and the mesh's policies.
    Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
    """
    return all(allow["protocol"] == "tcp" for allow in firewall.get("allow", []))


@rule("google_compute_firewall")
def firewall_targets(firewall: Block, entity: Entity) -> bool:
    """Firewall rules target nodes of this environment only.

    Without a target a rule applies to every machine in the network, also to machines that are added later.
    Source: https://cloud.google.com/firewall/docs/firewalls#rule_assignment
    """
    pools = entity.environment.resources("google_container_node_pool")
    tags = {tag for pool in pools for tag in pool["node_config"]["tags"]}
    return len(firewall["target_tags"]) > 0 and set(firewall["target_tags"]) <= tags


@rule("google_compute_firewall")
def firewall_logs(firewall: Block, _: Entity) -> bool:
    """Firewall rules have logs.

    Nothing else records the connections that a rule allows.
    Source: https://cloud.google.com/firewall/docs/firewall-rules-logging
    """
    return bool(firewall["log_config"]["metadata"]) and not firewall.get("disabled")
