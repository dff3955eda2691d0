"""Nodes: who they are, what they boot, and what pods see of them."""

import re

from policy.environment import Block, Place
from policy.rule import rule


@rule("google_container_cluster", "google_container_node_pool")
def private_nodes(block: Block, place: Place) -> bool:
    """Nodes have no external address.

    A node that has one is reached, and reaches out, around the load balancer, the NAT and their logs.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    if place.kind == "google_container_cluster":
        return block["private_cluster_config"]["enable_private_nodes"] is True
    return block.get("network_config", {}).get("enable_private_nodes", True) is True  # as the cluster, if not said


@rule("google_container_cluster", "google_container_node_pool")
def node_account(block: Block, _: Place) -> bool:
    """Nodes act as an account of their own.

    Compute Engine's default account is an editor of the project in many projects, and whoever gets onto a node is it.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#use_least_privilege_sa
    """
    account = block["node_config"]["service_account"]
    return re.fullmatch(r"\$\{google_service_account\.[\w-]+\.email\}", account) is not None


@rule("google_container_cluster", "google_container_node_pool")
def node_metadata(block: Block, _: Place) -> bool:
    """Pods don't see the node's metadata.

    It holds the token of the node's account.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/protecting-cluster-metadata
    """
    return bool(block["node_config"]["workload_metadata_config"]["mode"] == "GKE_METADATA")


@rule("google_container_cluster", "google_container_node_pool")
def shielded_nodes(block: Block, _: Place) -> bool:
    """Nodes boot only what is signed, and show that they did.

    A node's kernel can otherwise be changed for good.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/shielded-gke-nodes
    """
    if not block.get("enable_shielded_nodes", True):  # a cluster's word; on, if it is not said
        return False
    shielded = block["node_config"]["shielded_instance_config"]
    return shielded["enable_secure_boot"] is True and shielded["enable_integrity_monitoring"] is True


@rule("google_container_cluster", "google_container_node_pool")
def node_image(block: Block, _: Place) -> bool:
    """Nodes run Container-Optimized OS.

    Its root is read-only, and there is little in it to be attacked.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/node-images
    """
    return bool(block["node_config"]["image_type"] == "COS_CONTAINERD")


@rule("google_container_node_pool")
def node_upgrades(pool: Block, _: Place) -> bool:
    """Nodes are upgraded and repaired by Google.

    That is what closes holes in them.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/node-auto-upgrades
    """
    return pool["management"]["auto_upgrade"] is True and pool["management"]["auto_repair"] is True


@rule("google_container_cluster", "google_container_node_pool")
def kubelet_port(block: Block, place: Place) -> bool:
    """The kubelets' open port is closed, also in pools that others add.

    On 10255 it tells everybody who reaches the node which pods run there, and asks nobody who they are.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/disable-kubelet-readonly-port
    """
    settings = [block["node_config"]["kubelet_config"]]
    if place.kind == "google_container_cluster":
        settings.append(block["node_pool_defaults"]["node_config_defaults"])
    return all(one["insecure_kubelet_readonly_port_enabled"] == "FALSE" for one in settings)
