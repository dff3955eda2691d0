"""Nodes: accounts, boot integrity, and protection from pods."""

import re

from policy.environment import Block, Entity
from policy.rule import rule


@rule("google_container_cluster", "google_container_node_pool")
def private_nodes(block: Block, entity: Entity) -> bool:
    """Nodes have no external address.

    Traffic of an external address bypasses the load balancer, the NAT and their logs.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    if entity.kind == "google_container_cluster":
        return block["private_cluster_config"]["enable_private_nodes"] is True
    return block.get("network_config", {}).get("enable_private_nodes", True) is True  # by default as the cluster


@rule("google_container_cluster", "google_container_node_pool")
def node_account(block: Block, _: Entity) -> bool:
    """Nodes have a dedicated service account.

    Compute Engine's default account is an editor of many projects, and a process on a node can act as the account.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#use_least_privilege_sa
    """
    account = block["node_config"]["service_account"]
    return re.fullmatch(r"\$\{google_service_account\.[\w-]+\.email\}", account) is not None


@rule("google_container_cluster", "google_container_node_pool")
def node_metadata(block: Block, _: Entity) -> bool:
    """Pods have no access to the node's metadata.

    The metadata server returns the token of the node's account.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/protecting-cluster-metadata
    """
    return bool(block["node_config"]["workload_metadata_config"]["mode"] == "GKE_METADATA")


@rule("google_container_cluster", "google_container_node_pool")
def shielded_nodes(block: Block, _: Entity) -> bool:
    """Nodes have secure boot and integrity monitoring.

    Without them a modified kernel survives reboots.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/shielded-gke-nodes
    """
    if not block.get("enable_shielded_nodes", True):  # of a cluster; on by default
        return False
    shielded = block["node_config"]["shielded_instance_config"]
    return shielded["enable_secure_boot"] is True and shielded["enable_integrity_monitoring"] is True


@rule("google_container_cluster", "google_container_node_pool")
def node_image(block: Block, _: Entity) -> bool:
    """Nodes run Container-Optimized OS.

    Its root file system is read-only, and its attack surface is small.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/node-images
    """
    return bool(block["node_config"]["image_type"] == "COS_CONTAINERD")


@rule("google_container_node_pool")
def node_upgrades(pool: Block, _: Entity) -> bool:
    """Google upgrades and repairs nodes.

    Upgrades fix vulnerabilities.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/node-auto-upgrades
    """
    return pool["management"]["auto_upgrade"] is True and pool["management"]["auto_repair"] is True


@rule("google_container_cluster", "google_container_node_pool")
def kubelet_port(block: Block, entity: Entity) -> bool:
    """The kubelet's read-only port is closed, also in other node pools.

    Port 10255 lists the node's pods without authentication.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/disable-kubelet-readonly-port
    """
    settings = [block["node_config"]["kubelet_config"]]
    if entity.kind == "google_container_cluster":
        settings.append(block["node_pool_defaults"]["node_config_defaults"])
    return all(one["insecure_kubelet_readonly_port_enabled"] == "FALSE" for one in settings)
