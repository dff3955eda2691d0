"""Stack `clusters`: clusters, node pools, accounts and maintenance windows."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from config.maintenance import MaintenanceWindow, staggered
from config.paths import ROOT
from tests.synthesized import (
    REFERENCE,
    Resource,
    Synthesis,
    environment_of,
    load_without_variables,
    sample_with,
    synthesize,
)


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


def test_the_operators_address_is_an_authorized_network(three_regions: Synthesis) -> None:
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
    # The project's number, read in the network stack.
    assert mesh_id.startswith("proj-${data.terraform_remote_state.")
    assert mesh_id.endswith("projectnumber}")


def test_sources_of_logs_are_in_the_order_in_which_gke_returns_them(tmp_path: Path) -> None:
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    content["cluster"]["logs"] = ["controller_manager", "api_server", "workloads"]
    synthesis = synthesize(environment_of(yaml.safe_dump(content)), tmp_path)
    for cluster in synthesis.all("clusters", "google_container_cluster").values():
        assert cluster["logging_config"]["enable_components"] == [
            "SYSTEM_COMPONENTS",
            "WORKLOADS",
            "APISERVER",
            "CONTROLLER_MANAGER",
        ]


def test_node_pool(reference: Synthesis) -> None:
    pools = reference.by_name("clusters", "google_container_node_pool")
    assert set(pools) == {"matt-tokyo-nodes", "matt-osaka-nodes"}
    for pool in pools.values():
        assert pool["node_config"]["machine_type"] == "e2-standard-4"
        assert pool["initial_node_count"] == 1
        assert pool["autoscaling"] == {"max_node_count": 3, "min_node_count": 1}
        assert pool["node_config"]["workload_metadata_config"] == {"mode": "GKE_METADATA"}


def test_nodes_have_their_own_account_with_least_roles(reference: Synthesis) -> None:
    accounts = reference.all("clusters", "google_service_account")
    assert {account["account_id"] for account in accounts.values()} == {"matt-tokyo-node", "matt-osaka-node"}
    roles = {one["role"] for one in reference.all("clusters", "google_project_iam_member").values()}
    assert roles == {"roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"}
    emails = {f"${{google_service_account.{name}.email}}" for name in accounts}
    for kind in ("google_container_node_pool", "google_container_cluster"):
        assert {one["node_config"]["service_account"] for one in reference.all("clusters", kind).values()} == emails


def test_nodes_wait_for_their_roles(reference: Synthesis) -> None:
    for kind in ("google_container_node_pool", "google_container_cluster"):
        for waiting in reference.all("clusters", kind).values():
            assert len([one for one in waiting["depends_on"] if one.startswith("google_project_iam_member.")]) == 2


def test_deletion_protection_is_off_only_for_a_retired_region(reference: Synthesis, three_regions: Synthesis) -> None:
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


def test_a_region_overrides_cluster_settings(three_regions: Synthesis) -> None:
    pools = three_regions.by_name("clusters", "google_container_node_pool")
    iowa, tokyo = pools["shop-iowa-nodes"], pools["shop-tokyo-nodes"]
    assert iowa["node_config"]["machine_type"] == "n2-standard-8"
    assert iowa["autoscaling"] == {"max_node_count": 10, "min_node_count": 1}
    assert iowa["node_locations"] == ["us-central1-a", "us-central1-b", "us-central1-f"]
    assert tokyo["node_config"]["machine_type"] == "e2-standard-4"
    assert "node_locations" not in tokyo


# --- hardening: every default is the safe one


def test_the_configured_endpoint_is_the_only_one(reference: Synthesis, three_regions: Synthesis) -> None:
    """The sample environment configures the public endpoint; by default there is only the DNS endpoint."""
    found = {
        (cluster["private_cluster_config"]["enable_private_endpoint"], _dns_endpoint(cluster))
        for cluster in reference.all("clusters", "google_container_cluster").values()
    }
    assert found == {(False, False)}
    text = REFERENCE.read_text(encoding="utf-8")
    assert "endpoint: public" in text
    default = environment_of(text.replace("  endpoint: public\n", ""))
    assert default.cluster.endpoint == "dns"
    for cluster in three_regions.all("clusters", "google_container_cluster").values():
        assert cluster["private_cluster_config"]["enable_private_endpoint"] is True
        assert _dns_endpoint(cluster) is True


def _dns_endpoint(cluster: Resource) -> bool:
    allowed: bool = cluster["control_plane_endpoints_config"]["dns_endpoint_config"]["allow_external_traffic"]
    return allowed


def test_clusters_are_hardened(reference: Synthesis) -> None:
    clusters = reference.all("clusters", "google_container_cluster").values()
    assert len(clusters) == 2
    for cluster in clusters:
        assert cluster["datapath_provider"] == "ADVANCED_DATAPATH"
        assert cluster["network_policy"] == {"enabled": False}, "Dataplane V2 excludes Calico"
        assert cluster["enable_intranode_visibility"] is True
        assert cluster["enable_shielded_nodes"] is True
        assert cluster["enable_legacy_abac"] is False
        assert cluster["master_auth"] == {"client_certificate_config": {"issue_client_certificate": False}}
        assert cluster["binary_authorization"] == {"evaluation_mode": "PROJECT_SINGLETON_POLICY_ENFORCE"}
        assert cluster["security_posture_config"] == {"mode": "BASIC"}
        assert cluster["logging_config"] == {"enable_components": ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER"]}
        assert cluster["monitoring_config"] == {
            "enable_components": ["SYSTEM_COMPONENTS"],
            "managed_prometheus": {"enabled": True},
        }
        assert cluster["node_pool_defaults"] == {
            "node_config_defaults": {"insecure_kubelet_readonly_port_enabled": "FALSE"}
        }


def test_nodes_are_hardened_in_every_pool(reference: Synthesis) -> None:
    """Also in the default pool, which exists for some minutes."""
    both = [reference.all("clusters", f"google_container_{kind}").values() for kind in ("cluster", "node_pool")]
    nodes = [one["node_config"] for kind in both for one in kind]
    assert len(nodes) == 4
    for node in nodes:
        assert node["image_type"] == "COS_CONTAINERD"
        assert node["workload_metadata_config"] == {"mode": "GKE_METADATA"}
        assert node["shielded_instance_config"] == {"enable_integrity_monitoring": True, "enable_secure_boot": True}
        assert node["kubelet_config"] == {"insecure_kubelet_readonly_port_enabled": "FALSE"}
        assert node["oauth_scopes"] == ["https://www.googleapis.com/auth/cloud-platform"], "roles limit access"


def test_every_opt_out_takes_effect(tmp_path: Path) -> None:
    overrides = {
        "dataplane": "legacy",
        **dict.fromkeys(("intranode_visibility", "secure_boot", "binary_authorization", "managed_prometheus"), False),
        "maintenance_windows": False,
        "deletion_protection": False,
        "logs": ["scheduler", "controller_manager"],
    }
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    content["cluster"].update(overrides)
    soft = synthesize(environment_of(yaml.safe_dump(content)), tmp_path)
    clusters = soft.all("clusters", "google_container_cluster").values()
    assert len(clusters) == 2
    for cluster in clusters:
        assert "datapath_provider" not in cluster
        assert cluster["enable_intranode_visibility"] is False
        assert cluster["binary_authorization"] == {"evaluation_mode": "DISABLED"}
        assert cluster["monitoring_config"]["managed_prometheus"] == {"enabled": False}
        components = ["SYSTEM_COMPONENTS", "SCHEDULER", "CONTROLLER_MANAGER"]
        assert cluster["logging_config"]["enable_components"] == components
        assert "maintenance_policy" not in cluster
        assert cluster["deletion_protection"] is False
        assert cluster["node_config"]["shielded_instance_config"]["enable_secure_boot"] is False
    for pool in soft.all("clusters", "google_container_node_pool").values():
        assert pool["node_config"]["shielded_instance_config"]["enable_secure_boot"] is False


def test_secrets_are_encrypted_with_a_key_of_the_region(reference: Synthesis, tmp_path: Path) -> None:
    for cluster in reference.all("clusters", "google_container_cluster").values():
        assert cluster["database_encryption"] == {"state": "DECRYPTED"}, "without it, a removed key would stay in use"
    hardened = synthesize(load_without_variables(ROOT / "examples" / "hardened.yaml"), tmp_path)
    clusters = hardened.all("clusters", "google_container_cluster").values()
    assert len(clusters) == 2
    for cluster in clusters:
        assert cluster["database_encryption"]["state"] == "ENCRYPTED"
        assert f"/locations/{cluster['location']}/" in cluster["database_encryption"]["key_name"]


def test_the_secret_manager_add_on(reference: Synthesis, three_regions: Synthesis) -> None:
    """Its API is enabled before, and the stack `mesh` waits for its CRD."""
    api, crd = "secretmanager.googleapis.com", "secretproviderclasses.secrets-store.csi.x-k8s.io"
    for synthesis, used in ((reference, False), (three_regions, True)):
        for cluster in synthesis.all("clusters", "google_container_cluster").values():
            assert cluster.get("secret_manager_config") == ({"enabled": True} if used else None)
        services = [one["service"] for one in synthesis.all("network", "google_project_service").values()]
        assert (api in services) is used
        for wait in synthesis.one("mesh", "null_resource", "crds_wait")["for_each"].values():
            assert (crd in wait["crds"].split()) is used


def test_the_secret_manager_add_on_is_turned_off_explicitly(tmp_path: Path) -> None:
    off = sample_with({"cluster:\n": "cluster:\n  secret_manager: false\n"}, tmp_path)
    for cluster in off.all("clusters", "google_container_cluster").values():
        assert cluster["secret_manager_config"] == {"enabled": False}
    services = [one["service"] for one in off.all("network", "google_project_service").values()]
    assert "secretmanager.googleapis.com" not in services


def test_maintenance_windows_do_not_overlap(reference: Synthesis) -> None:
    found = {
        name: cluster["maintenance_policy"]["recurring_window"]
        for name, cluster in reference.by_name("clusters", "google_container_cluster").items()
    }
    assert found == {
        "matt-tokyo-cluster-1": {
            "start_time": "2024-01-01T00:00:00Z",
            "end_time": "2024-01-01T12:00:00Z",
            "recurrence": "FREQ=WEEKLY;BYDAY=MO",
        },
        "matt-osaka-cluster-1": {
            "start_time": "2024-01-05T00:00:00Z",
            "end_time": "2024-01-05T12:00:00Z",
            "recurrence": "FREQ=WEEKLY;BYDAY=FR",
        },
    }


@pytest.mark.parametrize("numbers", [range(12), range(14), (0, 14, 28, 42), (3, None, 3 + 14, None, 1)], ids=str)
def test_windows_of_many_regions(numbers: Sequence[int | None]) -> None:
    """No hour of the week is in two windows, and each region has 48 hours a month, counted hour by hour."""
    for first in ("monday 00:00", "sunday 17:00"):
        keys = {f"r{place}": number for place, number in enumerate(numbers)}
        windows = staggered(MaintenanceWindow.at(first), {}, keys)
        assert set(windows) == set(keys)
        hours: list[datetime] = []
        for window in windows.values():
            start, end = (datetime.fromisoformat(text) for text in (window.start_time, window.end_time))
            assert start.strftime("%a")[:2].upper() == window.recurrence.removeprefix("FREQ=WEEKLY;BYDAY=")
            weekly = [start + timedelta(hours=hour) for hour in range(int((end - start).total_seconds()) // 3600)]
            assert len(weekly) * 4 >= 48
            hours += weekly
        of_the_week = Counter((one.weekday(), one.hour) for one in hours)
        assert set(of_the_week.values()) == {1}


def test_a_regions_window_does_not_depend_on_others() -> None:
    first = MaintenanceWindow.at("tuesday 06:00")
    everything = staggered(first, {}, {"a": 3, "b": 5, "c": 4})
    assert staggered(first, {}, {"c": 4, "b": 5}) == {key: everything[key] for key in "cb"}
    own = {"a": MaintenanceWindow.at("saturday 15:00")}
    assert staggered(first, own, {"a": 3, "c": 4}) == {"a": own["a"], "c": everything["c"]}


def test_an_explicit_window_overlaps_no_other() -> None:
    """It overlaps two default windows, whose regions then get other ones."""
    own = {"a": MaintenanceWindow.at("monday 06:00")}
    windows = staggered(MaintenanceWindow.at("monday 00:00"), own, {"a": None, "b": 0, "c": 1, "d": 2})
    assert windows["d"] == MaintenanceWindow.at("tuesday 00:00")
    for one, other in combinations(windows.values(), 2):
        assert not one.overlaps(other)


def test_the_release_channel_under_a_mesh_of_googles_is_fixed(reference: Synthesis, tmp_path: Path) -> None:
    """The plan compares the cluster's own channel with the file; istiod on the nodes does not depend on it."""
    for cluster in reference.by_name("clusters", "google_container_cluster").values():
        assert cluster["lifecycle"]["ignore_changes"] == ["node_config", "release_channel"]
        (check,) = cluster["lifecycle"]["postcondition"]
        assert check["condition"] == '${self.release_channel[0].channel == "STABLE"}'
        assert f"update {cluster['name']} --location {cluster['location']} " in check["error_message"]
    mode = "control_plane: asmcli-in-cluster\n  asmcli: {version: 1.31.3-asm.9+config1}"
    changed = sample_with({"control_plane: asmcli-managed": mode}, tmp_path)
    for cluster in changed.by_name("clusters", "google_container_cluster").values():
        assert cluster["lifecycle"] == {"ignore_changes": ["node_config"]}


def test_private_endpoints_enforce_authorized_networks(reference: Synthesis, three_regions: Synthesis) -> None:
    for synthesis in (reference, three_regions):
        for cluster in synthesis.by_name("clusters", "google_container_cluster").values():
            assert cluster["master_authorized_networks_config"]["private_endpoint_enforcement_enabled"] is True
