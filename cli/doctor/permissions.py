"""What the caller must be allowed to do: each permission with what needs it and the role that has it.

The permissions are those that terraform needs to make, read, change and delete what is in
the stacks, and those that the scripts need besides. The roles are the narrowest predefined
ones that have them; an owner has them all.

Sources: https://cloud.google.com/iam/docs/roles-permissions and its pages of compute,
container, gkehub, iam, meshconfig, resourcemanager and serviceusage; what asmcli asks for:
https://cloud.google.com/service-mesh/docs/installation-permissions
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.report.findings import Finding, failure, ok
from cli.sources.credentials import member
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from config import Environment

MOST_AT_ONCE = 100
"""Permissions that may be asked about in one call."""


@dataclass(frozen=True)
class Need:
    """What something needs.

    Attributes:
        by: terraform's type of the resource, or the script.
        role: one that has all of them.
    """

    by: str
    role: str
    permissions: Sequence[str]

    @property
    def of_a_script(self) -> bool:
        return self.by.endswith(".sh")


def _all(kind: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{verb}" for verb in verbs)


NETWORK_ADMIN = "roles/compute.networkAdmin"
SECURITY_ADMIN = "roles/compute.securityAdmin"
CONTAINER_ADMIN = "roles/container.admin"
IAM_ADMIN = "roles/resourcemanager.projectIamAdmin"

NEEDS = (
    Need(
        "google_project_service",
        "roles/serviceusage.serviceUsageAdmin",
        _all("serviceusage.services", "enable", "get", "list"),
    ),
    Need("google_project", NETWORK_ADMIN, ("resourcemanager.projects.get",)),
    Need("google_compute_network", NETWORK_ADMIN, _all("compute.networks", "create", "delete", "get", "updatePolicy")),
    Need(
        "google_compute_subnetwork",
        NETWORK_ADMIN,
        _all("compute.subnetworks", "create", "delete", "get", "update", "use"),
    ),
    Need("google_compute_router", NETWORK_ADMIN, _all("compute.routers", "create", "delete", "get", "update")),
    Need("google_compute_router_nat", NETWORK_ADMIN, _all("compute.routers", "get", "update")),
    Need(
        "google_compute_global_address",
        NETWORK_ADMIN,
        _all("compute.globalAddresses", "create", "delete", "get"),
    ),
    Need(
        "wait-for-load-balancer-cleanup.sh",
        NETWORK_ADMIN,
        (
            "compute.globalForwardingRules.list",
            "compute.targetHttpProxies.list",
            "compute.targetHttpsProxies.list",
            "compute.urlMaps.list",
            "compute.backendServices.list",
            "compute.healthChecks.list",
            "compute.firewalls.list",
            "compute.networkEndpointGroups.list",
        ),
    ),
    Need("google_compute_firewall", SECURITY_ADMIN, _all("compute.firewalls", "create", "delete", "get", "update")),
    Need(
        "google_compute_managed_ssl_certificate",
        SECURITY_ADMIN,
        _all("compute.sslCertificates", "create", "delete", "get"),
    ),
    Need("google_compute_ssl_policy", SECURITY_ADMIN, _all("compute.sslPolicies", "create", "delete", "get", "update")),
    Need(
        "google_service_account",
        "roles/iam.serviceAccountAdmin",
        _all("iam.serviceAccounts", "create", "delete", "get"),
    ),
    Need("google_project_iam_member", IAM_ADMIN, _all("resourcemanager.projects", "getIamPolicy", "setIamPolicy")),
    Need(
        "google_container_cluster",
        CONTAINER_ADMIN,
        (*_all("container.clusters", "create", "delete", "get", "list", "update"), "container.operations.get"),
    ),
    Need("google_container_node_pool", "roles/iam.serviceAccountUser", ("iam.serviceAccounts.actAs",)),
    Need("google_gke_hub_feature", "roles/gkehub.admin", _all("gkehub.features", "create", "delete", "get", "update")),
    Need(
        "google_container_cluster", "roles/gkehub.admin", _all("gkehub.memberships", "create", "delete", "get", "list")
    ),
    Need(
        "install-mesh.sh",
        CONTAINER_ADMIN,
        (
            "container.clusters.getCredentials",
            "container.clusterRoleBindings.create",
            "container.configMaps.update",
            "container.customResourceDefinitions.create",
            "container.namespaces.create",
        ),
    ),
    Need("install-mesh.sh", "roles/meshconfig.admin", ("meshconfig.projects.init",)),
    Need("create-remote-secret.sh", CONTAINER_ADMIN, _all("container.secrets", "create", "get", "update")),
    Need("check-remote-secret.sh", CONTAINER_ADMIN, ("container.secrets.get",)),
    Need("delete-remote-secret.sh", CONTAINER_ADMIN, ("container.secrets.delete",)),
    Need("remove-mesh.sh", CONTAINER_ADMIN, ("container.mutatingWebhookConfigurations.delete",)),
    Need("wait-for-crds.sh", CONTAINER_ADMIN, ("container.customResourceDefinitions.get",)),
    Need(
        "kubernetes_manifest",
        CONTAINER_ADMIN,
        (
            "container.deployments.create",
            "container.roles.create",
            "container.services.create",
            "container.thirdPartyObjects.create",
        ),
    ),
)

WITHOUT_SCRIPTS = (
    Need("google_gke_hub_feature_membership", "roles/gkehub.admin", _all("gkehub.features", "get", "update")),
    Need("google_gke_hub_feature_membership", "roles/gkehub.admin", ("gkehub.memberships.get",)),
    Need("kubernetes_config_map_v1_data", CONTAINER_ADMIN, _all("container.configMaps", "get", "update")),
    Need(
        "kubernetes_manifest",
        CONTAINER_ADMIN,
        (
            "container.clusterRoleBindings.create",
            "container.clusterRoles.create",
            "container.configMaps.create",
            "container.jobs.create",
            "container.namespaces.create",
            "container.serviceAccounts.create",
        ),
    ),
)
"""What terraform needs besides, where it asks for the mesh itself."""

AT_THE_DNS_ENDPOINT = Need("kubernetes_manifest", CONTAINER_ADMIN, ("container.clusters.connect",))
"""What Google asks of everybody who comes in by it, scripts too."""


def needs_of(environment: Environment) -> tuple[Need, ...]:
    """Return what the stacks of an environment need, and the scripts, where some are run."""
    way_in = (AT_THE_DNS_ENDPOINT,) if environment.cluster.endpoint == "dns" else ()
    if environment.control_plane.runs_local_scripts:
        return (*NEEDS, *way_in)
    return (*(need for need in NEEDS if not need.of_a_script), *WITHOUT_SCRIPTS, *way_in)


def check(google: GoogleClient, environment: Environment) -> list[Finding]:
    """Return a finding for each role: whether the caller has what it is needed for, by this role or another one.

    Raises:
        MeshError: there are no credentials.
    """
    needs = needs_of(environment)
    wanted = list(dict.fromkeys(permission for need in needs for permission in need.permissions))
    path = f"projects/{google.project}:testIamPermissions"
    granted: set[str] = set()
    try:
        for start in range(0, len(wanted), MOST_AT_ONCE):
            asked = wanted[start : start + MOST_AT_ONCE]
            granted |= set(google.post("projects", path, {"permissions": asked}).get("permissions", []))
    except ApiError as error:
        text = f"Google does not say what the caller may do: {error}"
        return [failure("permissions", text, api_error_fix(error, "projects", google.project))]
    roles = list(dict.fromkeys(need.role for need in needs))
    return [_of_role(role, [need for need in needs if need.role == role], granted, google) for role in roles]


def _of_role(role: str, needs: Sequence[Need], granted: set[str], google: GoogleClient) -> Finding:
    missing = [(need.by, permission) for need in needs for permission in need.permissions if permission not in granted]
    if not missing:
        return ok(role, f"for {', '.join(dict.fromkeys(need.by for need in needs))}")
    permissions = ", ".join(dict.fromkeys(permission for _, permission in missing))
    users = ", ".join(dict.fromkeys(by for by, _ in missing))
    fix = f"gcloud projects add-iam-policy-binding {google.project} --member={member(google)} --role={role}"
    return failure(role, f"the caller lacks {permissions}, which {users} needs", fix)
