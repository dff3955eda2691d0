"""Nodes: accounts, boot integrity, and protection from pods."""

import json
from collections.abc import Iterator
from typing import Any

from config.environment import Environment, ResolvedRegion
from policy.addresses import address, after, ref, resource
from policy.claims import Claims, Path, Sentence
from policy.rule import rule
from policy.rules.clusters import cluster, every_cluster, node_grants
from policy.rules.terraform import CLOUD_PLATFORM

SECURE_BOOT = "node_config[0].shielded_instance_config"


def pool(region: ResolvedRegion) -> Path:
    return resource("clusters", "google_container_node_pool", f"regions/{region.key}/nodes")


def _node_config(environment: Environment, config: Any) -> Iterator[tuple[Path, Any]]:
    """Claim a part of the settings of all nodes: those of GKE's first pool, and those of the region's own."""
    for region in environment.resolved_regions():
        yield cluster(region), {"node_config": config}
        yield pool(region), {"node_config": config}


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/node-pools")
def node_pools(environment: Environment) -> Claims:
    """Each cluster has one node pool, of the configured machines, with the network tag of its region."""
    regions = environment.resolved_regions()
    for region in regions:
        nodes = region.nodes
        content = {
            "project": environment.project.id,
            "name": region.names.node_pool,
            "location": region.location,
            "cluster": ref("google_container_cluster", f"regions/{region.key}/cluster", "name"),
            "node_locations": list(region.zones) or None,
            "initial_node_count": nodes.min_nodes,
            "autoscaling": {"min_node_count": nodes.min_nodes, "max_node_count": nodes.max_nodes},
            "upgrade_settings": {"max_surge": 1, "max_unavailable": 0},
            "node_config": {
                "machine_type": nodes.machine_type,
                "disk_size_gb": nodes.disk_size_gb,
                "disk_type": "pd-balanced",
                "tags": [region.names.node_tag],
            },
        }
        yield pool(region), content


@rule("https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle")
def pool_rollout(environment: Environment) -> Claims:
    """A change that replaces node pools is refused, unless the pools of the regions are to follow each other."""
    one_by_one = environment.cluster.node_pool_rollout == "one_by_one"
    before: list[str] = []
    for region in environment.resolved_regions():
        on = json.dumps(region.nodes.secure_boot)
        condition = f'${{self.name == "{region.names.node_pool}" && self.{SECURE_BOOT}[0].enable_secure_boot == {on}}}'
        together = {
            "ignore_changes": ["initial_node_count", "name", SECURE_BOOT],
            "postcondition": [{"condition": condition, "error_message": Sentence("self.name")}],
        }
        following = {"ignore_changes": ["initial_node_count"], "create_before_destroy": True}
        yield pool(region), {"lifecycle": following if one_by_one else together}
        yield pool(region), {"depends_on": after(*node_grants(region), *before)}
        before = [address("google_container_node_pool", f"regions/{region.key}/nodes")] if one_by_one else []


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation")
def private_nodes(environment: Environment) -> Claims:
    """Nodes have no external address.

    Traffic of an external address bypasses the load balancer, the NAT and their logs.
    """
    yield from every_cluster(environment, {"private_cluster_config": {"enable_private_nodes": True}})


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#use_least_privilege_sa")
def node_account(environment: Environment) -> Claims:
    """Nodes have a dedicated service account.

    Compute Engine's default account is an editor of many projects, and a process on a node can act as the account.
    """
    for region in environment.resolved_regions():
        email = ref("google_service_account", f"regions/{region.key}/node-account", "email")
        account = {"node_config": {"service_account": email, "oauth_scopes": [CLOUD_PLATFORM]}}
        yield cluster(region), account
        yield pool(region), account


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/protecting-cluster-metadata")
def node_metadata(environment: Environment) -> Claims:
    """Pods have no access to the node's metadata.

    The metadata server returns the token of the node's account.
    """
    yield from _node_config(environment, {"workload_metadata_config": {"mode": "GKE_METADATA"}})


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/shielded-gke-nodes")
def shielded_nodes(environment: Environment) -> Claims:
    """Nodes have integrity monitoring and, unless the configuration turns it off, secure boot.

    Without them a modified kernel survives reboots.
    """
    for region in environment.resolved_regions():
        shielded = {"enable_secure_boot": region.nodes.secure_boot, "enable_integrity_monitoring": True}
        config = {"node_config": {"shielded_instance_config": shielded}}
        yield cluster(region), {"enable_shielded_nodes": True, **config}
        yield pool(region), config


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/node-images")
def node_image(environment: Environment) -> Claims:
    """Nodes run Container-Optimized OS.

    Its root file system is read-only, and its attack surface is small.
    """
    yield from _node_config(environment, {"image_type": "COS_CONTAINERD"})


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/node-auto-upgrades")
def node_upgrades(environment: Environment) -> Claims:
    """Google upgrades and repairs nodes.

    Upgrades fix vulnerabilities.
    """
    for region in environment.resolved_regions():
        yield pool(region), {"management": {"auto_upgrade": True, "auto_repair": True}}


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/disable-kubelet-readonly-port")
def kubelet_port(environment: Environment) -> Claims:
    """The kubelet's read-only port is closed, also in other node pools.

    Port 10255 lists the node's pods without authentication.
    """
    closed = {"insecure_kubelet_readonly_port_enabled": "FALSE"}
    yield from _node_config(environment, {"kubelet_config": closed})
    yield from every_cluster(environment, {"node_pool_defaults": {"node_config_defaults": closed}})
