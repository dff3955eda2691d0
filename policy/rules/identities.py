"""Who may do what in the project."""

import re

from policy.environment import Block, Place
from policy.rule import RESOURCE, rule

NODE_ACCOUNT = r"serviceAccount:\$\{google_service_account\.[\w-]+\.email\}"

GRANTS = {
    "roles/artifactregistry.reader": NODE_ACCOUNT,
    "roles/container.defaultNodeServiceAccount": NODE_ACCOUNT,
    "roles/container.admin": r"serviceAccount:service-\$\{.+\}@gcp-sa-multiclusteringress\.iam\.gserviceaccount\.com",
}
"""Each role that is granted in the project, and to whom. SECURITY.md says what for."""

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
        "kubernetes_config_map_v1_data",
        "kubernetes_manifest",
        "null_resource",
    }
)
"""Types of resources that somebody has thought about."""


@rule("google_project_iam_member")
def iam_roles(grant: Block, _: Place) -> bool:
    """Every role in the project is one of a list, for a member of that list.

    So a new one is read by somebody. An editor of the project may do nearly everything in it.
    Source: https://cloud.google.com/iam/docs/using-iam-securely
    """
    return re.fullmatch(GRANTS[grant["role"]], grant["member"]) is not None


@rule(RESOURCE)
def no_account_keys(_: Block, place: Place) -> bool:
    """Nobody makes a key of an account.

    It doesn't expire, it works from anywhere, and it is in the state in plain text.
    Source: https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys
    """
    return place.kind not in {"google_service_account_key", "google_storage_hmac_key", "google_apikeys_key"}


@rule(RESOURCE)
def known_resources(_: Block, place: Place) -> bool:
    """Every resource is of a type that the rules know.

    What no rule has looked at is not safe because none complains. Who adds a type adds its rules, and then its name
    to `KINDS`. Keys, and grants that replace other people's, are not there on purpose.
    """
    return place.kind in KINDS


@rule("provider")
def deployer(provider: Block, place: Place) -> bool:
    """Terraform acts as an account that is for nothing else.

    Otherwise whoever deploys has its roles all the time, on his own account, and in all that he runs.
    (The provider `caller` makes that account's tokens; it is the person.)
    Source: https://cloud.google.com/iam/docs/service-account-impersonation
    """
    if not place.name.startswith("google.") or place.name == "google.caller":
        return True
    return str(provider["impersonate_service_account"]).endswith(".iam.gserviceaccount.com")
