"""Clusters: access to the GKE control plane, and its security settings."""

from typing import Any

from config.environment import Environment, ResolvedRegion
from policy.addresses import address, after, other_stack, ref, resource
from policy.claims import Claims, Path, Sentence
from policy.rule import rule

LOGS = {
    "workloads": "WORKLOADS",
    "api_server": "APISERVER",
    "scheduler": "SCHEDULER",
    "controller_manager": "CONTROLLER_MANAGER",
}
NODE_ROLES = ("roles/artifactregistry.reader", "roles/container.defaultNodeServiceAccount")


def cluster(region: ResolvedRegion) -> Path:
    return resource("clusters", "google_container_cluster", f"regions/{region.key}/cluster")


def every_cluster(environment: Environment, content: dict[str, Any]) -> Claims:
    """Claim the same part of each cluster."""
    return ((cluster(region), content) for region in environment.resolved_regions())


def node_grants(region: ResolvedRegion) -> list[str]:
    """Return the addresses of the role bindings of a region's nodes."""
    roles = [role.rpartition(".")[2] for role in NODE_ROLES]
    return [address("google_project_iam_member", f"regions/{region.key}/node-account/{role}") for role in roles]


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/alias-ips")
def clusters(environment: Environment) -> Claims:
    """Each region has one private cluster in its subnet, which belongs to the project's fleet and to the mesh."""
    project = environment.project.id
    ranges = {"cluster_secondary_range_name": "pods", "services_secondary_range_name": "services"}
    number = other_stack("network", "data.google_project", "project", "number")
    for region in environment.resolved_regions():
        subnet = other_stack("network", "google_compute_subnetwork", f"regions/{region.key}/subnet", "self_link")
        gateway_api = {"channel": "CHANNEL_STANDARD"} if environment.gateway_api else None
        secrets = environment.cluster.secret_manager
        content = {
            "project": project,
            "name": region.names.cluster,
            "location": region.location,
            "node_locations": list(region.zones) or None,
            "description": Sentence(),
            "network": f"${{{other_stack('network', 'google_compute_network', 'vpc', 'self_link')}}}",
            "subnetwork": f"${{{subnet}}}",
            "networking_mode": "VPC_NATIVE",
            "ip_allocation_policy": ranges,
            "default_max_pods_per_node": environment.cluster.max_pods_per_node,
            "fleet": {"project": project},
            "resource_labels": {"mesh_id": f"proj-${{{number}}}"},
            "gateway_api_config": gateway_api,
            "secret_manager_config": None if secrets is None else {"enabled": secrets},
            # GKE's first pool, which is deleted at once.
            "remove_default_node_pool": True,
            "initial_node_count": 1,
            "depends_on": after(*node_grants(region)),
        }
        yield cluster(region), content


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation")
def private_endpoint(environment: Environment) -> Claims:
    """GKE control planes have only the endpoints that the configuration selects: by default, no public one.

    Only authorized networks protect a public endpoint: one wrong range exposes the API server. Everybody with a route
    reaches the DNS endpoint, and IAM decides.
    """
    endpoint = environment.cluster.endpoint
    for region in environment.resolved_regions():
        content = {
            "private_cluster_config": {
                "enable_private_endpoint": endpoint != "public",
                "master_ipv4_cidr_block": str(region.ranges.control_plane),
                "master_global_access_config": {"enabled": True},
            },
            "control_plane_endpoints_config": {"dns_endpoint_config": {"allow_external_traffic": endpoint == "dns"}},
        }
        yield cluster(region), content


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/network-isolation")
def authorized_networks(environment: Environment) -> Claims:
    """GKE control planes accept connections from the configured networks only, and from the pods of other istiods.

    Without the block every address with a route can connect, with public access all of Google's customers, and without
    the enforcement the whole VPC.
    """
    shape = environment.cluster
    members = [region for region in environment.resolved_regions() if not region.retired]
    on_nodes = environment.mesh.control_plane == "asmcli-in-cluster"
    for region in environment.resolved_regions():
        networks = [(one.name, one.cidr) for one in shape.authorized_networks]
        if on_nodes and region in members:  # their istiods watch this cluster's API server
            networks += [(f"pods-{one.key}", one.ranges.pods) for one in members if one != region]
        if shape.operator_address is not None:
            networks.append(("operator", shape.operator_address))
        content = {
            "master_authorized_networks_config": {
                "cidr_blocks": [{"cidr_block": str(cidr), "display_name": name} for name, cidr in networks],
                "gcp_public_cidrs_access_enabled": False,
                "private_endpoint_enforcement_enabled": True,
            }
        }
        yield cluster(region), content


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity")
def workload_identity(environment: Environment) -> Claims:
    """Clusters use Workload Identity.

    Without a workload pool, a pod that calls Google Cloud uses the node's account, or a key in a Secret.
    """
    pool = f"{environment.project.id}.svc.id.goog"
    yield from every_cluster(environment, {"workload_identity_config": {"workload_pool": pool}})


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2")
def dataplane_v2(environment: Environment) -> Claims:
    """Clusters run Dataplane V2, unless the configuration has the legacy one.

    The legacy datapath needs an add-on to enforce network policies, and does not log them.
    """
    v2 = environment.cluster.dataplane == "v2"
    provider = {"datapath_provider": "ADVANCED_DATAPATH" if v2 else None, "network_policy": {"enabled": False}}
    yield from every_cluster(environment, provider)


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/intranode-visibility")
def intranode_visibility(environment: Environment) -> Claims:
    """Intranode visibility is as configured: on by default.

    Traffic between pods of one node never leaves the node, so that the subnet's flow logs would miss it.
    """
    yield from every_cluster(environment, {"enable_intranode_visibility": environment.cluster.intranode_visibility})


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/deleting-a-cluster")
def deletion_protection(environment: Environment) -> Claims:
    """Clusters have deletion protection, unless the configuration turns it off or retires the region.

    It stops a plan that deletes a region by mistake.
    """
    for region in environment.resolved_regions():
        protected = environment.cluster.deletion_protection and not environment.regions[region.key].retired
        yield cluster(region), {"deletion_protection": protected}


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/about-logs")
def cluster_logs(environment: Environment) -> Claims:
    """Clusters collect logs of the system and of the configured sources: workloads and the API server by default.

    Only the API server's log shows attacks on the cluster.
    """
    components = ["SYSTEM_COMPONENTS", *(name for key, name in LOGS.items() if key in environment.cluster.logs)]
    yield from every_cluster(environment, {"logging_config": {"enable_components": components}})


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/configure-metrics")
def cluster_metrics(environment: Environment) -> Claims:
    """Clusters collect metrics of the system and, unless the configuration turns it off, of workloads.

    Without metrics, failures go unnoticed.
    """
    prometheus = {"enabled": environment.cluster.managed_prometheus}
    metrics = {"enable_components": ["SYSTEM_COMPONENTS"], "managed_prometheus": prometheus}
    yield from every_cluster(environment, {"monitoring_config": metrics})


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/release-channels")
def release_channel(environment: Environment) -> Claims:
    """Clusters follow the configured release channel, which can't change under a mesh that Google runs.

    Without a channel Google does not upgrade the control plane, and the mesh is not supported. The versions of `rapid`
    are new to everybody.
    """
    channel = environment.cluster.release_channel.upper()
    condition = f'${{self.release_channel[0].channel == "{channel}"}}'
    kept = {"postcondition": [{"condition": condition, "error_message": Sentence("self.release_channel[0].channel")}]}
    managed = environment.mesh.control_plane != "asmcli-in-cluster"
    ignored = ["node_config", *(["release_channel"] if managed else [])]
    for region in environment.resolved_regions():
        yield cluster(region), {"release_channel": {"channel": channel}}
        yield cluster(region), {"lifecycle": {"ignore_changes": ignored, **(kept if managed else {})}}


@rule("https://cloud.google.com/binary-authorization/docs/overview")
def binary_authorization(environment: Environment) -> Claims:
    """Binary Authorization enforces the project's policy, unless the configuration turns it off.

    Otherwise every account that can create a pod can run any image.
    """
    mode = "PROJECT_SINGLETON_POLICY_ENFORCE" if environment.cluster.binary_authorization else "DISABLED"
    yield from every_cluster(environment, {"binary_authorization": {"evaluation_mode": mode}})


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/encrypting-secrets")
def secrets_encrypted(environment: Environment) -> Claims:
    """Kubernetes Secrets are encrypted with the key that the configuration names for the region.

    The mesh's remote secrets are tokens that don't expire. Without the key a copy of etcd is useless.
    """
    for region in environment.resolved_regions():
        key = environment.regions[region.key].secrets_key
        yield cluster(region), {"database_encryption": {"state": "ENCRYPTED" if key else "DECRYPTED", "key_name": key}}


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster")
def no_legacy_access(environment: Environment) -> Claims:
    """Clusters use RBAC only, without legacy authorization and client certificates.

    Legacy authorization allows requests that RBAC denies, and a client certificate can't be revoked.
    """
    no_certificate = {"client_certificate_config": {"issue_client_certificate": False}}
    yield from every_cluster(environment, {"enable_legacy_abac": False, "master_auth": no_certificate})


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/maintenance-windows-and-exclusions")
def maintenance_window(environment: Environment) -> Claims:
    """Every cluster has the maintenance window of its region, unless the configuration has none.

    During simultaneous upgrades of two regions, neither can take over from the other.
    """
    for key, window in environment.maintenance_windows().items():
        recurring = {"start_time": window.start_time, "end_time": window.end_time, "recurrence": window.recurrence}
        path = resource("clusters", "google_container_cluster", f"regions/{key}/cluster")
        yield path, {"maintenance_policy": {"recurring_window": recurring}}


@rule("https://cloud.google.com/kubernetes-engine/docs/concepts/about-security-posture-dashboard")
def security_posture(environment: Environment) -> Claims:
    """Google's security posture scans workload configurations."""
    yield from every_cluster(environment, {"security_posture_config": {"mode": "BASIC"}})


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#use_least_privilege_sa")
def iam_roles(environment: Environment) -> Claims:
    """The nodes of each cluster have an account of their own with two roles, and nobody else has a role.

    An editor of the project can do nearly everything in it.
    """
    project = environment.project.id
    for region in environment.resolved_regions():
        account = f"regions/{region.key}/node-account"
        names = {"account_id": region.names.node_service_account, "display_name": Sentence()}
        yield resource("clusters", "google_service_account", account), {"project": project, **names}
        member = f"serviceAccount:{ref('google_service_account', account, 'email')}"
        for role in NODE_ROLES:
            path = resource("clusters", "google_project_iam_member", f"{account}/{role.rpartition('.')[2]}")
            yield path, {"project": project, "role": role, "member": member}
