"""Stack `clusters`: every fact of the system's description."""

import pytest

from tests.synthesis import Synthesis


@pytest.mark.parametrize(
    ("name", "location", "control_plane"),
    [
        ("matt-tokyo-cluster-1", "asia-northeast1", "192.168.0.0/28"),
        ("matt-osaka-cluster-1", "asia-northeast2", "192.168.8.0/28"),
    ],
)
def test_private_regional_cluster(reference: Synthesis, name: str, location: str, control_plane: str) -> None:
    cluster = reference.by_name("clusters", "google_container_cluster")[name]
    assert cluster["location"] == location
    assert cluster["networking_mode"] == "VPC_NATIVE"
    assert cluster["ip_allocation_policy"] == {
        "cluster_secondary_range_name": "pods",
        "services_secondary_range_name": "services",
    }
    private = cluster["private_cluster_config"]
    assert private["enable_private_nodes"] is True
    assert private["enable_private_endpoint"] is False
    assert private["master_ipv4_cidr_block"] == control_plane
    assert private["master_global_access_config"] == {"enabled": True}
    assert cluster["workload_identity_config"] == {"workload_pool": "my-mesh-project.svc.id.goog"}
    assert cluster["release_channel"] == {"channel": "STABLE"}
    assert cluster["remove_default_node_pool"] is True


def test_authorized_networks_are_on(reference: Synthesis) -> None:
    for cluster in reference.all("clusters", "google_container_cluster").values():
        networks = cluster["master_authorized_networks_config"]
        assert networks["cidr_blocks"] == [{"cidr_block": "203.0.113.0/24", "display_name": "office"}]
        assert networks["gcp_public_cidrs_access_enabled"] is False


def test_the_operators_address_is_one_of_them(three_regions: Synthesis) -> None:
    for cluster in three_regions.all("clusters", "google_container_cluster").values():
        blocks = cluster["master_authorized_networks_config"]["cidr_blocks"]
        assert {"cidr_block": "198.51.100.7/32", "display_name": "operator"} in blocks
        assert len(blocks) == 2


def test_all_clusters_are_one_mesh_in_one_fleet(reference: Synthesis) -> None:
    clusters = reference.all("clusters", "google_container_cluster").values()
    assert len(clusters) == 2
    assert {cluster["fleet"]["project"] for cluster in clusters} == {"my-mesh-project"}
    mesh_ids = {cluster["resource_labels"]["mesh_id"] for cluster in clusters}
    assert len(mesh_ids) == 1
    mesh_id = mesh_ids.pop()
    # The project's number, read in the network stack: no one types it.
    assert mesh_id.startswith("proj-${data.terraform_remote_state.")
    assert mesh_id.endswith("projectnumber}")


def test_node_pool(reference: Synthesis) -> None:
    pools = reference.by_name("clusters", "google_container_node_pool")
    assert set(pools) == {"matt-tokyo-nodes", "matt-osaka-nodes"}
    for pool in pools.values():
        assert pool["node_config"]["machine_type"] == "e2-standard-4"
        assert pool["initial_node_count"] == 1
        assert pool["autoscaling"] == {"max_node_count": 3, "min_node_count": 1}
        assert pool["node_config"]["workload_metadata_config"] == {"mode": "GKE_METADATA"}


def test_nodes_are_an_account_of_their_own_with_least_roles(reference: Synthesis) -> None:
    accounts = reference.all("clusters", "google_service_account")
    assert {account["account_id"] for account in accounts.values()} == {"matt-tokyo-node", "matt-osaka-node"}
    roles = {one["role"] for one in reference.all("clusters", "google_project_iam_member").values()}
    assert roles == {"roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"}
    emails = {f"${{google_service_account.{name}.email}}" for name in accounts}
    for kind in ("google_container_node_pool", "google_container_cluster"):
        assert {one["node_config"]["service_account"] for one in reference.all("clusters", kind).values()} == emails


def test_nodes_wait_for_their_roles(reference: Synthesis) -> None:
    for pool in reference.all("clusters", "google_container_node_pool").values():
        assert len(pool["depends_on"]) == 2


def test_deletion_protection_goes_off_only_for_a_retired_region(reference: Synthesis, three_regions: Synthesis) -> None:
    protected = {
        name: cluster["deletion_protection"]
        for synthesis in (reference, three_regions)
        for name, cluster in synthesis.by_name("clusters", "google_container_cluster").items()
    }
    assert protected == {
        "matt-tokyo-cluster-1": True,
        "matt-osaka-cluster-1": True,
        "shop-tokyo-cluster-1": True,
        "shop-iowa-cluster-1": True,
        "shop-belgium-cluster-1": False,
    }


def test_a_region_overrides_what_all_share(three_regions: Synthesis) -> None:
    pools = three_regions.by_name("clusters", "google_container_node_pool")
    iowa, tokyo = pools["shop-iowa-nodes"], pools["shop-tokyo-nodes"]
    assert iowa["node_config"]["machine_type"] == "n2-standard-8"
    assert iowa["autoscaling"] == {"max_node_count": 10, "min_node_count": 1}
    assert iowa["node_locations"] == ["us-central1-a", "us-central1-b", "us-central1-f"]
    assert tokyo["node_config"]["machine_type"] == "e2-standard-4"
    assert "node_locations" not in tokyo


def test_dns_endpoint(three_regions: Synthesis) -> None:
    for cluster in three_regions.all("clusters", "google_container_cluster").values():
        assert cluster["private_cluster_config"]["enable_private_endpoint"] is True
        assert cluster["control_plane_endpoints_config"] == {"dns_endpoint_config": {"allow_external_traffic": True}}
