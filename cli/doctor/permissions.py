"""The permissions that a deploy requires, each with what requires it and a role that has it.

They are those that terraform requires to create, read, update and delete the resources of the stacks, and those that
the scripts require besides. The roles are the narrowest predefined ones that have them; an owner has them all.

Sources: https://cloud.google.com/iam/docs/roles-permissions and its pages of compute,
container, gkehub, iam, meshconfig, resourcemanager and serviceusage; what asmcli requires:
https://cloud.google.com/service-mesh/docs/installation-permissions
"""

from collections.abc import Mapping, Sequence
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
        role: A role that has all of them.
        by: Terraform's type of the resource, or the script's name.
        permissions: The permissions.
    """

    role: str
    by: str
    permissions: Sequence[str]


def _all(kind: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"{kind}.{verb}" for verb in verbs)


def _list(*collections: str) -> tuple[str, ...]:
    return tuple(f"compute.{collection}.list" for collection in collections)


def _create(*kinds: str) -> tuple[str, ...]:
    return tuple(f"container.{kind}.create" for kind in kinds)


Permissions = Mapping[str, Mapping[str, Sequence[str]]]
"""Permissions by role, and by the resource or script that requires them."""

BY_ROLE: Permissions = {
    "roles/serviceusage.serviceUsageAdmin": {
        "google_project_service": _all("serviceusage.services", "enable", "get", "list"),
    },
    "roles/compute.networkAdmin": {
        "google_project": ("resourcemanager.projects.get",),
        "google_compute_network": _all("compute.networks", "create", "delete", "get", "updatePolicy"),
        "google_compute_subnetwork": _all("compute.subnetworks", "create", "delete", "get", "update", "use"),
        "google_compute_router": _all("compute.routers", "create", "delete", "get", "update"),
        "google_compute_router_nat": _all("compute.routers", "get", "update"),
        "google_compute_global_address": _all("compute.globalAddresses", "create", "delete", "get"),
        "wait-for-load-balancer-cleanup.sh": (
            *_list("globalForwardingRules", "targetHttpProxies", "targetHttpsProxies", "urlMaps", "backendServices"),
            *_list("healthChecks", "firewalls", "networkEndpointGroups"),
        ),
    },
    "roles/compute.loadBalancerAdmin": {
        "delete-mesh-networking.sh": _all("compute.networkEndpointGroups", "delete", "list"),
    },
    "roles/compute.securityAdmin": {
        "delete-mesh-networking.sh": _all("compute.firewalls", "delete", "list"),
        "google_compute_firewall": _all("compute.firewalls", "create", "delete", "get", "update"),
        "google_compute_managed_ssl_certificate": _all("compute.sslCertificates", "create", "delete", "get"),
        "google_compute_ssl_policy": _all("compute.sslPolicies", "create", "delete", "get", "update"),
    },
    "roles/iam.serviceAccountAdmin": {
        "google_service_account": _all("iam.serviceAccounts", "create", "delete", "get"),
    },
    "roles/resourcemanager.projectIamAdmin": {
        "google_project_iam_member": _all("resourcemanager.projects", "getIamPolicy", "setIamPolicy"),
    },
    "roles/container.admin": {
        "google_container_cluster": (
            *_all("container.clusters", "create", "delete", "get", "list", "update"),
            "container.operations.get",
        ),
        "install-mesh.sh": (
            *("container.clusters.getCredentials", "container.configMaps.update"),
            *_create("clusterRoleBindings", "customResourceDefinitions", "namespaces"),
        ),
        "create-remote-secret.sh": _all("container.secrets", "create", "get", "update"),
        "check-remote-secret.sh": ("container.secrets.get",),
        "delete-remote-secret.sh": ("container.secrets.delete",),
        "remove-mesh.sh": ("container.mutatingWebhookConfigurations.delete",),
        "wait-for-crds.sh": ("container.customResourceDefinitions.get",),
        "kubernetes_labels": _all("container.namespaces", "get", "update"),
        "kubernetes_manifest": _create("deployments", "roles", "services", "thirdPartyObjects"),
    },
    "roles/iam.serviceAccountUser": {
        "google_container_node_pool": ("iam.serviceAccounts.actAs",),
    },
    "roles/gkehub.admin": {
        "google_gke_hub_feature": _all("gkehub.features", "create", "delete", "get", "update"),
        "google_container_cluster": _all("gkehub.memberships", "create", "delete", "get", "list"),
    },
    "roles/meshconfig.admin": {"install-mesh.sh": ("meshconfig.projects.init",)},
}

WITHOUT_SCRIPTS: Permissions = {
    "roles/gkehub.admin": {
        "google_gke_hub_feature_membership": (*_all("gkehub.features", "get", "update"), "gkehub.memberships.get"),
    },
    "roles/container.admin": {
        "kubernetes_config_map_v1_data": _all("container.configMaps", "get", "update"),
        "kubernetes_manifest": (
            *_create("clusterRoleBindings", "clusterRoles", "configMaps", "jobs", "namespaces"),
            *_create("roleBindings", "serviceAccounts"),
            "container.pods.create",
        ),
    },
}
"""What terraform requires besides, where it configures the mesh itself."""

WITH_CERTIFICATE_MAP: Permissions = {
    "roles/certificatemanager.owner": {
        "google_certificate_manager_dns_authorization": (
            *_all("certificatemanager.dnsauthorizations", "create", "delete", "get", "update", "use"),
            "certificatemanager.operations.get",
        ),
        "google_certificate_manager_certificate": _all(
            "certificatemanager.certs", "create", "delete", "get", "update", "use"
        ),
        "google_certificate_manager_certificate_map": _all(
            "certificatemanager.certmaps", "create", "delete", "get", "update", "use"
        ),
        "google_certificate_manager_certificate_map_entry": _all(
            "certificatemanager.certmapentries", "create", "delete", "get", "update"
        ),
    },
}
"""What the certificates of multi-cluster Gateway require.

Source: https://cloud.google.com/certificate-manager/docs/access-control
"""

AT_THE_DNS_ENDPOINT: Permissions = {"roles/container.admin": {"kubernetes_manifest": ("container.clusters.connect",)}}
"""What the DNS endpoint requires of every client, scripts too."""


def required_permissions(environment: Environment) -> list[RequiredPermissions]:
    """Return the permissions that the stacks of an environment require, and the scripts, where some are run."""
    scripts = environment.control_plane.runs_local_scripts
    others = [AT_THE_DNS_ENDPOINT] if environment.cluster.endpoint == "dns" else []
    others += [WITH_CERTIFICATE_MAP] if environment.has_certificate_map else []
    return [
        RequiredPermissions(role, by, permissions)
        for some in (BY_ROLE, *([] if scripts else [WITHOUT_SCRIPTS]), *others)
        for role, by_user in some.items()
        for by, permissions in by_user.items()
        if scripts or not by.endswith(".sh")
    ]


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
            tested = wanted[start : start + MOST_AT_ONCE]
            granted |= set(google.post("projects", path, {"permissions": tested}).get("permissions", []))
    except ApiError as error:
        text = f"can't test the caller's permissions: {error}"
        return [failure("permissions", text, api_error_fix(error, "projects", google.project))]
    roles = list(dict.fromkeys(one.role for one in required))
    return [_check_role(role, [one for one in required if one.role == role], granted, google) for role in roles]


def _check_role(role: str, required: Sequence[RequiredPermissions], granted: set[str], google: GoogleClient) -> Finding:
    missing = [(one.by, name) for one in required for name in one.permissions if name not in granted]
    if not missing:
        return ok(role, f"granted, for {', '.join(dict.fromkeys(one.by for one in required))}")
    permissions = ", ".join(dict.fromkeys(permission for _, permission in missing))
    users = ", ".join(dict.fromkeys(by for by, _ in missing))
    fix = f"gcloud projects add-iam-policy-binding {google.project} --member={member(google)} --role={role}"
    return failure(role, f"the caller lacks {permissions}, required by {users}", fix)
