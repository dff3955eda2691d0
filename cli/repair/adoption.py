"""How each resource type of the stacks is adopted: its import ID, and what proves that a resource is ours.

A resource is ours if its name is the one that the stack derives, and if what the stack writes into it, such as its
description, and the network that it is on, are in it, too.

Sources of the IDs: hashicorp/terraform-provider-google 6.50.0, website/docs/r/, section "Import" of each type;
hashicorp/terraform-provider-kubernetes 2.38.0, docs/resources/manifest.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.sources.resources import (
    ACCOUNTS,
    ADDRESSES,
    AUTHORIZATIONS,
    CERTIFICATES,
    CLUSTERS,
    FEATURES,
    FIREWALL_RULES,
    MAP_CERTIFICATES,
    MAP_ENTRIES,
    MAPS,
    NATS,
    NETWORKS,
    NODE_POOLS,
    ROUTERS,
    SSL_POLICIES,
    SUBNETS,
    CloudResource,
    ResourceKind,
)


@dataclass(frozen=True)
class Adoption:
    """How a resource type is found and adopted.

    Attributes:
        kind: Its kind in the catalogue.
        path: Its path in the API, with the arguments of the resource in braces.
        description: Argument, and field in the API, whose text the stack writes; empty if there is none.
        on_network: Whether it is on the environment's network.
    """

    kind: ResourceKind
    path: str
    description: tuple[str, str] | None = ("description", "description")
    on_network: bool = False

    def import_id(self, resource: CloudResource) -> str:
        """Return the ID that `terraform import` takes: the path, or without the names of the collections."""
        parts = resource.path.split("/")
        return "/".join(parts[1::2]) if self.kind in (NATS, NODE_POOLS) else resource.path


_GLOBAL, _REGIONAL = "projects/{project}/global", "projects/{project}/regions/{region}"
_MANAGER = "projects/{project}/locations/global"
_CLUSTER = "projects/{project}/locations/{location}/clusters"

ADOPTED: Mapping[str, Adoption] = {
    "google_certificate_manager_certificate": Adoption(MAP_CERTIFICATES, f"{_MANAGER}/certificates/{{name}}"),
    "google_certificate_manager_certificate_map": Adoption(MAPS, f"{_MANAGER}/certificateMaps/{{name}}"),
    "google_certificate_manager_certificate_map_entry": Adoption(
        MAP_ENTRIES, f"{_MANAGER}/certificateMaps/{{map}}/certificateMapEntries/{{name}}"
    ),
    "google_certificate_manager_dns_authorization": Adoption(AUTHORIZATIONS, f"{_MANAGER}/dnsAuthorizations/{{name}}"),
    "google_compute_firewall": Adoption(FIREWALL_RULES, f"{_GLOBAL}/firewalls/{{name}}", on_network=True),
    "google_compute_global_address": Adoption(ADDRESSES, f"{_GLOBAL}/addresses/{{name}}"),
    "google_compute_managed_ssl_certificate": Adoption(CERTIFICATES, f"{_GLOBAL}/sslCertificates/{{name}}"),
    "google_compute_network": Adoption(NETWORKS, f"{_GLOBAL}/networks/{{name}}"),
    "google_compute_router": Adoption(ROUTERS, f"{_REGIONAL}/routers/{{name}}", None, on_network=True),
    # A NAT has neither: its router proves it.
    "google_compute_router_nat": Adoption(NATS, f"{_REGIONAL}/routers/{{router}}/nats/{{name}}", None),
    "google_compute_ssl_policy": Adoption(SSL_POLICIES, f"{_GLOBAL}/sslPolicies/{{name}}"),
    "google_compute_subnetwork": Adoption(SUBNETS, f"{_REGIONAL}/subnetworks/{{name}}", on_network=True),
    "google_container_cluster": Adoption(CLUSTERS, f"{_CLUSTER}/{{name}}", on_network=True),
    # As a NAT: its cluster proves it.
    "google_container_node_pool": Adoption(NODE_POOLS, f"{_CLUSTER}/{{cluster}}/nodePools/{{name}}", None),
    # The fleet's: there is one of each name in a project, and one environment.
    "google_gke_hub_feature": Adoption(FEATURES, "projects/{project}/locations/{location}/features/{name}", None),
    "google_service_account": Adoption(
        ACCOUNTS,
        "projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com",
        ("display_name", "displayName"),
    ),
}
"""By Terraform's type. `kubernetes_manifest` is adopted, too: `cli.repair.objects`."""

_REPEATABLE = "a create succeeds where it exists already"

NOT_ADOPTED: Mapping[str, str] = {
    "google_gke_hub_feature_membership": _REPEATABLE,
    "google_project_iam_member": _REPEATABLE,
    "google_project_service": _REPEATABLE,
    "google_service_account_iam_member": _REPEATABLE,
    "kubernetes_config_map_v1_data": _REPEATABLE,
    "kubernetes_labels": _REPEATABLE,
    "null_resource": "exists in the state only; `cli.repair.scripts` has what its script leaves",
}
"""By Terraform's type: why it has not to be adopted."""
