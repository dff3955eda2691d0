"""Firewall rules: from where, to what, on which ports."""

from policy.environment import Block, Place
from policy.rule import rule


@rule("google_compute_firewall")
def firewall_sources(wall: Block, place: Place) -> bool:
    """A firewall rule admits ranges of ours only.

    A wider source admits whoever gets an address beside ours. The load balancer's front ends are
    let in by rules that Multi Cluster Ingress makes itself.
    Source: https://cloud.google.com/firewall/docs/firewalls#sources
    """
    return len(wall["source_ranges"]) > 0 and set(wall["source_ranges"]) <= place.environment.own_ranges()


@rule("google_compute_firewall")
def firewall_ports(wall: Block, place: Place) -> bool:
    """A firewall rule names its ports, but for pods among themselves.

    A service may listen on any port, and who may ask it is the mesh's own policy. From
    anywhere else all ports are a way around that policy.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/firewall-rules
    """
    if "allow" not in wall:
        return len(wall["deny"]) > 0
    if wall.get("source_ranges") and set(wall["source_ranges"]) <= place.environment.pod_ranges():
        return True
    return all(allow["ports"] and all(port.isdecimal() for port in allow["ports"]) for allow in wall["allow"])


@rule("google_compute_firewall")
def firewall_protocols(wall: Block, _: Place) -> bool:
    """A firewall rule admits what the mesh sends, tcp, and nothing besides.

    Sidecars handle nothing else: by another protocol a pod comes around them, and around the mesh's policies.
    Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
    """
    return all(allow["protocol"] == "tcp" for allow in wall.get("allow", []))


@rule("google_compute_firewall")
def firewall_targets(wall: Block, place: Place) -> bool:
    """A firewall rule is for nodes of ours only.

    Without a target it is for every machine in the network, also for those that come later.
    Source: https://cloud.google.com/firewall/docs/firewalls#rule_assignment
    """
    pools = place.environment.of_kind("google_container_node_pool")
    tags = {tag for pool in pools for tag in pool["node_config"]["tags"]}
    return len(wall["target_tags"]) > 0 and set(wall["target_tags"]) <= tags


@rule("google_compute_firewall")
def firewall_logs(wall: Block, _: Place) -> bool:
    """Every firewall rule logs.

    What a rule of ours has let in is otherwise nowhere to be seen.
    Source: https://cloud.google.com/firewall/docs/firewall-rules-logging
    """
    return bool(wall["log_config"]["metadata"]) and not wall.get("disabled")
