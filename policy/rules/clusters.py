"""Clusters: who reaches the control plane, and what it does to protect what is in it."""

from ipaddress import ip_network

from policy.environment import Block, Place
from policy.rule import rule

LEAST_PREFIX = 16
"""Of an authorized network: the largest range that this project gives to one region's nodes."""


@rule("google_container_cluster")
def private_endpoint(cluster: Block, _: Place) -> bool:
    """No control plane has a public address.

    Authorized networks keep others off it, and nothing else does: one wrong range, and all that
    is left is the API server's own code.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    return cluster["private_cluster_config"]["enable_private_endpoint"] is True


@rule("google_container_cluster")
def authorized_networks(cluster: Block, _: Place) -> bool:
    """Control planes' addresses are for a list of networks, and not for Google's own.

    Without the block everybody who has a route may knock, and without its second word all of Google's
    customers. A list with nothing in it is nobody: who comes by the DNS endpoint needs none.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    networks = cluster["master_authorized_networks_config"]
    return networks["gcp_public_cidrs_access_enabled"] is False and isinstance(networks["cidr_blocks"], list)


@rule("google_container_cluster")
def authorized_networks_narrow(cluster: Block, place: Place) -> bool:
    """No authorized network is wider than a /16, but for pods of ours.

    Two halves of the Internet are the Internet. (Other clusters' pods have to be let in
    where they watch this one: control plane asmcli-in-cluster.)
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    blocks = {block["cidr_block"] for block in cluster["master_authorized_networks_config"].get("cidr_blocks", [])}
    return all(ip_network(block).prefixlen >= LEAST_PREFIX for block in blocks - place.environment.pod_ranges())


@rule("google_container_cluster")
def workload_identity(cluster: Block, _: Place) -> bool:
    """Pods get Google's tokens as themselves.

    Without a workload pool a pod that needs Google has the node's account, or a key in a Secret.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity
    """
    return str(cluster["workload_identity_config"]["workload_pool"]).endswith(".svc.id.goog")


@rule("google_container_cluster")
def dataplane_v2(cluster: Block, _: Place) -> bool:
    """Clusters run Dataplane V2.

    The legacy datapath enforces network policies with an add-on only, and logs nothing of it.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2
    """
    return bool(cluster["datapath_provider"] == "ADVANCED_DATAPATH")


@rule("google_container_cluster")
def intranode_visibility(cluster: Block, _: Place) -> bool:
    """Flows between pods of one node are seen.

    They never leave the node, so that the subnet's flow logs miss them otherwise.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/intranode-visibility
    """
    return cluster["enable_intranode_visibility"] is True


@rule("google_container_cluster")
def deletion_protection(cluster: Block, _: Place) -> bool:
    """No cluster goes by mistake.

    One wrong word in a plan, and a region is gone. The word for a region that is to go is ``retired``.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/deleting-a-cluster
    """
    return cluster["deletion_protection"] is True


@rule("google_container_cluster")
def cluster_logs(cluster: Block, _: Place) -> bool:
    """Clusters log what their system, their workloads and their API server do.

    Who tries what against a cluster is seen in the API server's log or not at all.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/about-logs
    """
    wanted = {"SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER"}
    return wanted <= set(cluster["logging_config"]["enable_components"]) and cluster.get("logging_service") != "none"


@rule("google_container_cluster")
def cluster_metrics(cluster: Block, _: Place) -> bool:
    """Clusters are monitored, and so is what runs in them.

    What nobody measures fails unseen.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/configure-metrics
    """
    monitoring = cluster["monitoring_config"]
    return (
        "SYSTEM_COMPONENTS" in monitoring["enable_components"]
        and monitoring["managed_prometheus"]["enabled"] is True
        and cluster.get("monitoring_service") != "none"
    )


@rule("google_container_cluster")
def release_channel(cluster: Block, _: Place) -> bool:
    """Clusters follow a release channel, and not the first one.

    Without one nobody upgrades the control plane, and the mesh is not supported; what `rapid` brings few have run.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/release-channels
    """
    return bool(cluster["release_channel"]["channel"] in {"REGULAR", "STABLE", "EXTENDED"})


@rule("google_container_cluster")
def binary_authorization(cluster: Block, _: Place) -> bool:
    """Clusters run the images that the project's policy admits.

    Otherwise whoever may make a pod runs any image there is.
    Source: https://cloud.google.com/binary-authorization/docs/overview
    """
    return bool(cluster["binary_authorization"]["evaluation_mode"] == "PROJECT_SINGLETON_POLICY_ENFORCE")


@rule("google_container_cluster")
def secrets_encrypted(cluster: Block, _: Place) -> bool:
    """Kubernetes Secrets are encrypted with a key of ours.

    The mesh's remote secrets are tokens that don't expire. A copy of etcd is then worth nothing without the key.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/encrypting-secrets
    """
    encryption = cluster["database_encryption"]
    return encryption["state"] == "ENCRYPTED" and len(encryption["key_name"]) > 0


@rule("google_container_cluster")
def no_legacy_access(cluster: Block, _: Place) -> bool:
    """Clusters know no access from before RBAC.

    Legacy authorization admits what RBAC refuses, and a client certificate can't be taken back.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster
    """
    certificates = cluster["master_auth"]["client_certificate_config"]
    return not cluster.get("enable_legacy_abac") and certificates["issue_client_certificate"] is False


@rule("google_container_cluster")
def no_alpha(cluster: Block, _: Place) -> bool:
    """No cluster has alpha features on.

    Such a cluster gets no upgrades, and is deleted after 30 days.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/alpha-clusters
    """
    return not cluster.get("enable_kubernetes_alpha")


@rule("google_container_cluster")
def maintenance_window(cluster: Block, _: Place) -> bool:
    """Every cluster is upgraded in hours of its own.

    Two regions that are upgraded at once leave none to fail over to.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/maintenance-windows-and-exclusions
    """
    window = cluster["maintenance_policy"]["recurring_window"]
    return all(window[key] for key in ("start_time", "end_time", "recurrence"))


@rule("google_container_cluster")
def security_posture(cluster: Block, _: Place) -> bool:
    """Google looks for what is wrong with workloads' settings.

    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/about-security-posture-dashboard
    """
    return cluster["security_posture_config"]["mode"] in {"BASIC", "ENTERPRISE"}
