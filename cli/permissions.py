"""What the caller must be allowed to do: each permission with what needs it and the role that has it.

The permissions are those that terraform needs to make, read, change and delete what is in
the stacks, and those that the scripts need besides. The roles are the narrowest predefined
ones that have them; an owner has them all.

Sources: https://cloud.google.com/iam/docs/roles-permissions and its pages of compute,
container, gkehub, iam, meshconfig, resourcemanager and serviceusage; what asmcli asks for:
https://cloud.google.com/service-mesh/docs/installation-permissions
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.credentials import member
from cli.findings import Finding, failure, ok
from cli.google import ApiError, Google
from cli.remedies import after_refusal

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
    Need("grant-trust.sh", CONTAINER_ADMIN, _all("container.secrets", "create", "get", "update")),
    Need("withdraw-trust.sh", CONTAINER_ADMIN, ("container.secrets.delete",)),
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


def check(google: Google) -> list[Finding]:
    """Return a finding for each role: whether the caller has what it is needed for, by this role or another one.

    Raises:
        MeshError: there are no credentials.
    """
    wanted = list(dict.fromkeys(permission for need in NEEDS for permission in need.permissions))
    path = f"projects/{google.project}:testIamPermissions"
    granted: set[str] = set()
    try:
        for start in range(0, len(wanted), MOST_AT_ONCE):
            asked = wanted[start : start + MOST_AT_ONCE]
            granted |= set(google.post("projects", path, {"permissions": asked}).get("permissions", []))
    except ApiError as error:
        text = f"Google does not say what the caller may do: {error}"
        return [failure("permissions", text, after_refusal(error, "projects", google.project))]
    roles = list(dict.fromkeys(need.role for need in NEEDS))
    return [_of_role(role, granted, google) for role in roles]


def _of_role(role: str, granted: set[str], google: Google) -> Finding:
    missing = [(need.by, permission) for need, permission in _needed(role) if permission not in granted]
    if not missing:
        return ok(role, f"for {', '.join(dict.fromkeys(need.by for need, _ in _needed(role)))}")
    permissions = ", ".join(dict.fromkeys(permission for _, permission in missing))
    users = ", ".join(dict.fromkeys(by for by, _ in missing))
    fix = f"gcloud projects add-iam-policy-binding {google.project} --member={member(google)} --role={role}"
    return failure(role, f"the caller lacks {permissions}, which {users} needs", fix)


def _needed(role: str) -> Iterator[tuple[Need, str]]:
    for need in NEEDS:
        if need.role == role:
            for permission in need.permissions:
                yield need, permission
