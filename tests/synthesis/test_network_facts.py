"""Stack `network`: APIs, VPC, subnets, NAT and firewall rules."""

from pathlib import Path

from tests.synthesized import Synthesis, minimal_environment, sample_with

REFERENCE_RANGES = {
    "asia-northeast1": ("172.16.0.0/16", "10.0.0.0/14", "10.64.0.0/20"),
    "asia-northeast2": ("172.24.0.0/16", "10.32.0.0/14", "10.64.128.0/20"),
}


def test_vpc_is_in_custom_mode(reference: Synthesis) -> None:
    vpc = reference.one("network", "google_compute_network")
    assert vpc["name"] == "matt-vpc"
    assert vpc["auto_create_subnetworks"] is False


def test_every_region_has_a_subnet(reference: Synthesis) -> None:
    subnets = reference.all("network", "google_compute_subnetwork").values()
    assert {subnet["name"] for subnet in subnets} == {"matt-private-vm"}
    found = {}
    for subnet in subnets:
        secondary = {one["range_name"]: one["ip_cidr_range"] for one in subnet["secondary_ip_range"]}
        found[subnet["region"]] = (subnet["ip_cidr_range"], secondary["pods"], secondary["services"])
        assert subnet["private_ip_google_access"] is True
        assert subnet["log_config"]["flow_sampling"] > 0
    assert found == REFERENCE_RANGES


def test_every_region_has_a_router_and_a_nat(reference: Synthesis) -> None:
    assert set(reference.by_name("network", "google_compute_router")) == {"matt-tokyo-router", "matt-osaka-router"}
    nats = reference.by_name("network", "google_compute_router_nat")
    assert {name: nat["region"] for name, nat in nats.items()} == {
        "matt-tokyo-nat": "asia-northeast1",
        "matt-osaka-nat": "asia-northeast2",
    }
    for key in ("tokyo", "osaka"):
        # All ranges of the region's subnet only.
        nat = nats[f"matt-{key}-nat"]
        subnet = next(name for name in reference.all("network", "google_compute_subnetwork") if key in name)
        assert nat["source_subnetwork_ip_ranges_to_nat"] == "LIST_OF_SUBNETWORKS"
        link = f"${{google_compute_subnetwork.{subnet}.self_link}}"
        assert nat["subnetwork"] == [{"name": link, "source_ip_ranges_to_nat": ["ALL_IP_RANGES"]}]
        router = next(name for name in reference.all("network", "google_compute_router") if key in name)
        assert nats[f"matt-{key}-nat"]["router"] == f"${{google_compute_router.{router}.name}}"
    for nat in nats.values():
        assert nat["nat_ip_allocate_option"] == "AUTO_ONLY"
        assert nat["log_config"] == {"enable": True, "filter": "ALL"}


def test_pods_reach_pods_of_all_clusters(reference: Synthesis) -> None:
    rule = reference.by_name("network", "google_compute_firewall")["matt-vpc-istio-multicluster-pods"]
    assert (rule["direction"], rule["priority"]) == ("INGRESS", 900)
    assert {one["protocol"] for one in rule["allow"]} == {"tcp", "udp", "icmp", "esp", "ah", "sctp"}
    assert rule["source_ranges"] == ["10.0.0.0/14", "10.32.0.0/14"]
    pools = reference.all("clusters", "google_container_node_pool").values()
    tags = sorted(tag for pool in pools for tag in pool["node_config"]["tags"])
    assert len(tags) == 2
    assert rule["target_tags"] == tags


def test_by_default_only_tcp_is_allowed_between_pods(three_regions: Synthesis) -> None:
    """The mesh needs only tcp; the sample environment configures other protocols."""
    rule = three_regions.by_name("network", "google_compute_firewall")["shop-vpc-istio-multicluster-pods"]
    assert rule["allow"] == [{"protocol": "tcp"}]
    assert rule["log_config"] == {"metadata": "INCLUDE_ALL_METADATA"}


def test_control_planes_reach_the_webhook(reference: Synthesis) -> None:
    rules = reference.by_name("network", "google_compute_firewall")
    found = {
        rules[f"matt-vpc-{key}-control-plane"]["source_ranges"][0]: rules[f"matt-vpc-{key}-control-plane"]
        for key in ("tokyo", "osaka")
    }
    assert set(found) == {"192.168.0.0/28", "192.168.8.0/28"}
    for rule in found.values():
        assert rule["allow"] == [{"ports": ["15017"], "protocol": "tcp"}]
        assert rule["direction"] == "INGRESS"
    assert found["192.168.0.0/28"]["target_tags"] == ["matt-tokyo-node"]
    assert found["192.168.8.0/28"]["target_tags"] == ["matt-osaka-node"]


def test_every_firewall_rule_has_a_description(reference: Synthesis) -> None:
    rules = reference.all("network", "google_compute_firewall")
    assert len(rules) == 3
    for rule in rules.values():
        assert len(rule["description"]) > 20


def test_apis_are_enabled_before_the_vpc_and_stay_enabled(reference: Synthesis) -> None:
    services = reference.all("network", "google_project_service")
    apis = {one["service"].removesuffix(".googleapis.com") for one in services.values()}
    assert apis == {
        *("cloudresourcemanager", "cloudtrace", "compute", "container", "gkehub", "iam", "iamcredentials"),
        *("binaryauthorization", "containersecurity"),
        *("logging", "mesh", "meshca", "meshconfig", "monitoring", "multiclusteringress"),
        "multiclusterservicediscovery",
    }
    for service in services.values():
        assert service["disable_on_destroy"] is False
    waits = set(reference.one("network", "google_compute_network")["depends_on"])
    assert waits == {f"google_project_service.{name}" for name in services}


def test_the_anthos_api_is_a_choice(reference: Synthesis, tmp_path: Path) -> None:
    enabled = sample_with({"  name_prefix: matt": "  name_prefix: matt\n  anthos_api: true"}, tmp_path)
    apis = [one["service"] for one in enabled.all("network", "google_project_service").values()]
    assert apis.count("anthos.googleapis.com") == 1
    assert len(apis) == len(reference.all("network", "google_project_service")) + 1


def test_a_retired_region_keeps_its_network(three_regions: Synthesis) -> None:
    rule = three_regions.by_name("network", "google_compute_firewall")["shop-vpc-istio-multicluster-pods"]
    assert "shop-belgium-node" in rule["target_tags"]
    assert len(three_regions.all("network", "google_compute_subnetwork")) == 3


def test_ranges_depend_only_on_the_regions_number() -> None:
    """Adding or removing a region never changes another's ranges."""
    numbers = {"a": 3, "b": 5, "c": 4}

    def ranges(keys: str) -> dict[str, object]:
        environment = minimal_environment(**{key: numbers[key] for key in keys})
        return {region.key: region.ranges for region in environment.resolved_regions()}

    everything = ranges("abc")
    assert len(set(map(str, everything.values()))) == 3
    assert ranges("cb") == {key: everything[key] for key in "cb"}
    assert ranges("a") == {"a": everything["a"]}


def test_what_a_mesh_leaves_is_deleted_before_the_subnets(reference: Synthesis) -> None:
    cleanup = reference.one("network", "null_resource", "mesh-cleanup")
    subnets = {f"google_compute_subnetwork.{name}" for name in reference.all("network", "google_compute_subnetwork")}
    assert len(subnets) == 2
    assert set(cleanup["depends_on"]) == subnets
    (provisioner,) = cleanup["provisioner"]
    assert provisioner["local-exec"]["when"] == "destroy"
    assert cleanup["for_each"]["osaka"] == {
        "vpc": "matt-vpc",
        "location": "asia-northeast2",
        "cluster": "matt-osaka-cluster-1",
    }
