"""Clusters: access to the GKE control plane, and its security settings."""

from ipaddress import ip_network

from policy.environment import Block, Entity
from policy.rule import rule

LEAST_PREFIX = 16
"""The shortest prefix of an authorized network: the largest range that this project gives to one region's nodes."""


@rule("google_container_cluster")
def private_endpoint(cluster: Block, _: Entity) -> bool:
    """GKE control planes have no public endpoint.

    Only authorized networks protect a public endpoint: one wrong range exposes the API server.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    return cluster["private_cluster_config"]["enable_private_endpoint"] is True


@rule("google_container_cluster")
def authorized_networks(cluster: Block, _: Entity) -> bool:
    """GKE control planes accept connections from authorized networks only, not from Google Cloud's public addresses.

    Without the block every address with a route can connect, with public access all of Google's customers, and without
    enforcement on the private endpoint all of the VPC. The list can be empty, as the DNS endpoint needs no authorized
    network.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    networks = cluster["master_authorized_networks_config"]
    return (
        networks["gcp_public_cidrs_access_enabled"] is False
        and networks["private_endpoint_enforcement_enabled"] is True
        and isinstance(networks["cidr_blocks"], list)
    )


@rule("google_container_cluster")
def authorized_networks_narrow(cluster: Block, entity: Entity) -> bool:
    """No authorized network is wider than a /16, except pod ranges of this environment.

    Two halves of the Internet are the Internet. (With control plane mode asmcli-in-cluster, istiod in
    the pods of other clusters connects to this control plane.)
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation
    """
    blocks = {block["cidr_block"] for block in cluster["master_authorized_networks_config"].get("cidr_blocks", [])}
    return all(ip_network(block).prefixlen >= LEAST_PREFIX for block in blocks - entity.environment.pod_ranges())


@rule("google_container_cluster")
def workload_identity(cluster: Block, _: Entity) -> bool:
    """Clusters use Workload Identity.

    Without a workload pool, a pod that calls Google Cloud uses the node's account, or a key in a Secret.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity
    """
    return str(cluster["workload_identity_config"]["workload_pool"]).endswith(".svc.id.goog")


@rule("google_container_cluster")
def dataplane_v2(cluster: Block, _: Entity) -> bool:
    """Clusters run Dataplane V2.

    The legacy datapath needs an add-on to enforce network policies, and does not log them.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2
    """
    return bool(cluster["datapath_provider"] == "ADVANCED_DATAPATH")


@rule("google_container_cluster")
def intranode_visibility(cluster: Block, _: Entity) -> bool:
    """Intranode visibility is on.

    Traffic between pods of one node never leaves the node, so that the subnet's flow logs would miss it.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/intranode-visibility
    """
    return cluster["enable_intranode_visibility"] is True


@rule("google_container_cluster")
def deletion_protection(cluster: Block, _: Entity) -> bool:
    """Clusters have deletion protection.

    It stops a plan that deletes a region by mistake. To remove a region, set ``retired``.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/deleting-a-cluster
    """
    return cluster["deletion_protection"] is True


@rule("google_container_cluster")
def cluster_logs(cluster: Block, _: Entity) -> bool:
    """Clusters collect logs of the system, of workloads and of the API server.

    Only the API server's log shows attacks on the cluster.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/about-logs
    """
    wanted = {"SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER"}
    return wanted <= set(cluster["logging_config"]["enable_components"]) and cluster.get("logging_service") != "none"


@rule("google_container_cluster")
def cluster_metrics(cluster: Block, _: Entity) -> bool:
    """Clusters collect metrics of the system and of workloads.

    Without metrics, failures go unnoticed.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/configure-metrics
    """
    monitoring = cluster["monitoring_config"]
    return (
        "SYSTEM_COMPONENTS" in monitoring["enable_components"]
        and monitoring["managed_prometheus"]["enabled"] is True
        and cluster.get("monitoring_service") != "none"
    )


@rule("google_container_cluster")
def release_channel(cluster: Block, _: Entity) -> bool:
    """Clusters follow a release channel other than rapid.

    Without a channel Google does not upgrade the control plane, and the mesh is not supported. The versions of `rapid`
    are little tested.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/release-channels
    """
    return bool(cluster["release_channel"]["channel"] in {"REGULAR", "STABLE", "EXTENDED"})


@rule("google_container_cluster")
def binary_authorization(cluster: Block, _: Entity) -> bool:
    """Binary Authorization enforces the project's policy.

    Otherwise every account that can create a pod can run any image.
    Source: https://cloud.google.com/binary-authorization/docs/overview
    """
    return bool(cluster["binary_authorization"]["evaluation_mode"] == "PROJECT_SINGLETON_POLICY_ENFORCE")


@rule("google_container_cluster")
def secrets_encrypted(cluster: Block, _: Entity) -> bool:
    """Kubernetes Secrets are encrypted with a customer-managed key.

    The mesh's remote secrets are tokens that don't expire. Without the key a copy of etcd is useless.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/encrypting-secrets
    """
    encryption = cluster["database_encryption"]
    return encryption["state"] == "ENCRYPTED" and len(encryption["key_name"]) > 0


@rule("google_container_cluster")
def no_legacy_access(cluster: Block, _: Entity) -> bool:
    """Clusters use RBAC only, without legacy authorization and client certificates.

    Legacy authorization allows requests that RBAC denies, and a client certificate can't be revoked.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster
    """
    certificates = cluster["master_auth"]["client_certificate_config"]
    return not cluster.get("enable_legacy_abac") and certificates["issue_client_certificate"] is False


@rule("google_container_cluster")
def no_alpha(cluster: Block, _: Entity) -> bool:
    """Clusters have no alpha features.

    A cluster with alpha features gets no upgrades, and Google deletes it after 30 days.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/alpha-clusters
    """
    return not cluster.get("enable_kubernetes_alpha")


@rule("google_container_cluster")
def maintenance_window(cluster: Block, _: Entity) -> bool:
    """Every cluster has a maintenance window.

    During simultaneous upgrades of two regions, neither can take over from the other.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/maintenance-windows-and-exclusions
    """
    window = cluster["maintenance_policy"]["recurring_window"]
    return all(window[key] for key in ("start_time", "end_time", "recurrence"))


@rule("google_container_cluster")
def security_posture(cluster: Block, _: Entity) -> bool:
    """Google's security posture scans workload configurations.

    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/about-security-posture-dashboard
    """
    return cluster["security_posture_config"]["mode"] in {"BASIC", "ENTERPRISE"}
