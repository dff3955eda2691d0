"""IAM: roles and service accounts of the project."""

import re

from policy.environment import Block, Entity
from policy.rule import RESOURCE, rule

NODE_ACCOUNT = r"serviceAccount:\$\{google_service_account\.[\w-]+\.email\}"

GRANTS = {
    "roles/artifactregistry.reader": NODE_ACCOUNT,
    "roles/container.defaultNodeServiceAccount": NODE_ACCOUNT,
}
"""Each role that is granted in the project, and a pattern of its members. docs/security.md explains the reasons."""

POOL_MEMBER = re.compile(r"serviceAccount:([^\[]+)\[([^/]+)/([^/]+)\]")
"""A Kubernetes service account in a workload identity pool: the pool, the namespace and the name."""

KINDS = frozenset(
    {
        "google_compute_firewall",
        "google_compute_global_address",
        "google_compute_managed_ssl_certificate",
        "google_compute_network",
        "google_compute_router",
        "google_compute_router_nat",
        "google_compute_ssl_policy",
        "google_compute_subnetwork",
        "google_container_cluster",
        "google_container_node_pool",
        "google_gke_hub_feature",
        "google_gke_hub_feature_membership",
        "google_project_iam_member",
        "google_project_service",
        "google_service_account",
        "google_service_account_iam_member",
        "kubernetes_config_map_v1_data",
        "kubernetes_labels",
        "kubernetes_manifest",
        "null_resource",
    }
)
"""Types of resources that have been reviewed."""


@rule("google_project_iam_member")
def iam_roles(grant: Block, _: Entity) -> bool:
    """Every role in the project, and its members, are in a reviewed list.

    A new grant is then reviewed. An editor of the project can do nearly everything in it.
    Source: https://cloud.google.com/iam/docs/using-iam-securely
    """
    return re.fullmatch(GRANTS[grant["role"]], grant["member"]) is not None


@rule("google_service_account_iam_member")
def workload_identities(grant: Block, entity: Entity) -> bool:
    """Only the pods of the service that names it can act as a Google service account.

    The one role that suffices is roles/iam.workloadIdentityUser. With a wider one, the member could also create keys,
    or let others act as the account. A member in another namespace is whatever runs there under that name.
    Source: https://cloud.google.com/iam/docs/best-practices-service-accounts
    """
    member = POOL_MEMBER.fullmatch(grant["member"])
    if member is None or grant["role"] != "roles/iam.workloadIdentityUser":
        return False
    environment, (pool, namespace, name) = entity.environment, member.groups()
    clusters = environment.resources("google_container_cluster")
    bound = {
        one.manifest["metadata"].get("annotations", {}).get("iam.gke.io/gcp-service-account")
        for one in environment.entities
        if one.manifest is not None
        and one.manifest.get("kind") == "ServiceAccount"
        and (one.manifest["metadata"]["namespace"], one.manifest["metadata"]["name"]) == (namespace, name)
    }
    return bound == {grant["service_account_id"].rpartition("/")[2]} and {pool} == {
        one["workload_identity_config"]["workload_pool"] for one in clusters
    }


@rule(RESOURCE)
def no_account_keys(_: Block, entity: Entity) -> bool:
    """No service account has a key.

    A key doesn't expire, works from anywhere, and is in the state in plain text.
    Source: https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys
    """
    return entity.kind not in {"google_service_account_key", "google_storage_hmac_key", "google_apikeys_key"}


@rule(RESOURCE)
def known_resources(_: Block, entity: Entity) -> bool:
    """Every resource is of a reviewed type.

    A type without rules would pass unchecked. To use another type, add rules for it, and then its name
    to `KINDS`. Keys, and grants that replace other grants, are left out on purpose.
    """
    return entity.kind in KINDS


@rule("provider")
def deployer(provider: Block, entity: Entity) -> bool:
    """Terraform impersonates a dedicated service account.

    Otherwise the operator's own account has the roles permanently, in every program that the operator runs.
    (The provider `caller` creates that account's tokens, and acts as the operator.)
    Source: https://cloud.google.com/iam/docs/service-account-impersonation
    """
    if not entity.name.startswith("google.") or entity.name == "google.caller":
        return True
    return str(provider["impersonate_service_account"]).endswith(".iam.gserviceaccount.com")
