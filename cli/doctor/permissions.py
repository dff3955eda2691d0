"""The permissions that a deploy requires, each with what requires it and a role that has it.

They are those that terraform requires to create, read, update and delete the resources of the stacks, and those that
the scripts require besides. The roles are the narrowest predefined ones that have them; an owner has them all.

Sources: https://cloud.google.com/iam/docs/roles-permissions and its pages of compute,
container, gkehub, iam, meshconfig, resourcemanager and serviceusage; what asmcli asks for:
https://cloud.google.com/service-mesh/docs/installation-permissions
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.doctor.credentials import member
from cli.report.findings import Finding, failure, ok
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from config import Environment

MOST_AT_ONCE = 100
"""Limit of permissions in one call."""


@dataclass(frozen=True)
class RequiredPermissions:
    """Permissions that a resource or a script requires.

    Attributes:
        by: Terraform's type of the resource, or the script's name.
        role: A role that has all of them.
        permissions: The permissions.
    """

    by: str
    role: str
    permissions: Sequence[str]

    @property
    def by_script(self) -> bool:
        return self.by.endswith(".sh")


def _all(kind: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{verb}" for verb in verbs)


NETWORK_ADMIN = "roles/compute.networkAdmin"
SECURITY_ADMIN = "roles/compute.securityAdmin"
CONTAINER_ADMIN = "roles/container.admin"
IAM_ADMIN = "roles/resourcemanager.projectIamAdmin"

PERMISSIONS = (
    RequiredPermissions(
        "google_project_service",
        "roles/serviceusage.serviceUsageAdmin",
        _all("serviceusage.services", "enable", "get", "list"),
    ),
    RequiredPermissions("google_project", NETWORK_ADMIN, ("resourcemanager.projects.get",)),
    RequiredPermissions(
        "google_compute_network", NETWORK_ADMIN, _all("compute.networks", "create", "delete", "get", "updatePolicy")
    ),
    RequiredPermissions(
        "google_compute_subnetwork",
        NETWORK_ADMIN,
        _all("compute.subnetworks", "create", "delete", "get", "update", "use"),
    ),
    RequiredPermissions(
        "google_compute_router", NETWORK_ADMIN, _all("compute.routers", "create", "delete", "get", "update")
    ),
    RequiredPermissions("google_compute_router_nat", NETWORK_ADMIN, _all("compute.routers", "get", "update")),
    RequiredPermissions(
        "google_compute_global_address",
        NETWORK_ADMIN,
        _all("compute.globalAddresses", "create", "delete", "get"),
    ),
    RequiredPermissions(
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
    RequiredPermissions(
        "google_compute_firewall", SECURITY_ADMIN, _all("compute.firewalls", "create", "delete", "get", "update")
    ),
    RequiredPermissions(
        "google_compute_managed_ssl_certificate",
        SECURITY_ADMIN,
        _all("compute.sslCertificates", "create", "delete", "get"),
    ),
    RequiredPermissions(
        "google_compute_ssl_policy", SECURITY_ADMIN, _all("compute.sslPolicies", "create", "delete", "get", "update")
    ),
    RequiredPermissions(
        "google_service_account",
        "roles/iam.serviceAccountAdmin",
        _all("iam.serviceAccounts", "create", "delete", "get"),
    ),
    RequiredPermissions(
        "google_project_iam_member", IAM_ADMIN, _all("resourcemanager.projects", "getIamPolicy", "setIamPolicy")
    ),
    RequiredPermissions(
        "google_container_cluster",
        CONTAINER_ADMIN,
        (*_all("container.clusters", "create", "delete", "get", "list", "update"), "container.operations.get"),
    ),
    RequiredPermissions("google_container_node_pool", "roles/iam.serviceAccountUser", ("iam.serviceAccounts.actAs",)),
    RequiredPermissions(
        "google_gke_hub_feature", "roles/gkehub.admin", _all("gkehub.features", "create", "delete", "get", "update")
    ),
    RequiredPermissions(
        "google_container_cluster", "roles/gkehub.admin", _all("gkehub.memberships", "create", "delete", "get", "list")
    ),
    RequiredPermissions(
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
    RequiredPermissions("install-mesh.sh", "roles/meshconfig.admin", ("meshconfig.projects.init",)),
    RequiredPermissions(
        "create-remote-secret.sh", CONTAINER_ADMIN, _all("container.secrets", "create", "get", "update")
    ),
    RequiredPermissions("check-remote-secret.sh", CONTAINER_ADMIN, ("container.secrets.get",)),
    RequiredPermissions("delete-remote-secret.sh", CONTAINER_ADMIN, ("container.secrets.delete",)),
    RequiredPermissions("remove-mesh.sh", CONTAINER_ADMIN, ("container.mutatingWebhookConfigurations.delete",)),
    RequiredPermissions("wait-for-crds.sh", CONTAINER_ADMIN, ("container.customResourceDefinitions.get",)),
    RequiredPermissions(
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
    RequiredPermissions(
        "google_gke_hub_feature_membership", "roles/gkehub.admin", _all("gkehub.features", "get", "update")
    ),
    RequiredPermissions("google_gke_hub_feature_membership", "roles/gkehub.admin", ("gkehub.memberships.get",)),
    RequiredPermissions(
        "kubernetes_config_map_v1_data", CONTAINER_ADMIN, _all("container.configMaps", "get", "update")
    ),
    RequiredPermissions(
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
"""What terraform requires besides, where it configures the mesh itself."""

AT_THE_DNS_ENDPOINT = RequiredPermissions("kubernetes_manifest", CONTAINER_ADMIN, ("container.clusters.connect",))
"""What the DNS endpoint requires of every client, scripts too."""


def required_permissions(environment: Environment) -> tuple[RequiredPermissions, ...]:
    """Return the permissions that the stacks of an environment require, and the scripts, where some are run."""
    endpoint = (AT_THE_DNS_ENDPOINT,) if environment.cluster.endpoint == "dns" else ()
    if environment.control_plane.runs_local_scripts:
        return (*PERMISSIONS, *endpoint)
    return (*(one for one in PERMISSIONS if not one.by_script), *WITHOUT_SCRIPTS, *endpoint)


def check(google: GoogleClient, environment: Environment) -> list[Finding]:
    """Check for each role that the caller has the required permissions, by this role or another one.

    Raises:
        MeshError: There are no credentials.
    """
    required = required_permissions(environment)
    wanted = list(dict.fromkeys(permission for one in required for permission in one.permissions))
    path = f"projects/{google.project}:testIamPermissions"
    granted: set[str] = set()
    try:
        for start in range(0, len(wanted), MOST_AT_ONCE):
            asked = wanted[start : start + MOST_AT_ONCE]
            granted |= set(google.post("projects", path, {"permissions": asked}).get("permissions", []))
    except ApiError as error:
        text = f"Google does not say what the caller may do: {error}"
        return [failure("permissions", text, api_error_fix(error, "projects", google.project))]
    roles = list(dict.fromkeys(one.role for one in required))
    return [_check_role(role, [one for one in required if one.role == role], granted, google) for role in roles]


def _check_role(role: str, required: Sequence[RequiredPermissions], granted: set[str], google: GoogleClient) -> Finding:
    missing = [(one.by, name) for one in required for name in one.permissions if name not in granted]
    if not missing:
        return ok(role, f"for {', '.join(dict.fromkeys(one.by for one in required))}")
    permissions = ", ".join(dict.fromkeys(permission for _, permission in missing))
    users = ", ".join(dict.fromkeys(by for by, _ in missing))
    fix = f"gcloud projects add-iam-policy-binding {google.project} --member={member(google)} --role={role}"
    return failure(role, f"the caller lacks {permissions}, which {users} needs", fix)
