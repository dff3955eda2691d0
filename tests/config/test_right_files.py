"""Valid unusual files, as data: `inputs/right/`. Each passes the policy, and has the properties in its first line."""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config.naming import STACKS
from config.schema import schema_text
from policy.rule import claimed, evaluate
from policy.synthesis import with_files
from tests.config.inputs import INPUTS
from tests.config.platform_limits import violations
from tests.kubelet import container_environment
from tests.synthesized import Synthesis, load_without_variables, synthesize

FOLDER = INPUTS / "right"
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def clusters(found: Synthesis) -> dict[str, Any]:
    return found.by_name("clusters", "google_container_cluster")


def env_of(found: Synthesis, name: str, cluster: str = "tokyo") -> dict[str, str]:
    """Return the environment variables of a service's container."""
    objects = found.objects(cluster, "Deployment")
    (deployment,) = [one for one in objects if one["metadata"].get("labels", {}).get("app") == name]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container_environment(container.get("env", []))


def deployments(found: Synthesis, cluster: str | None = None) -> dict[str, Any]:
    return {
        one["metadata"]["name"]: one["spec"]
        for one in found.objects(cluster, "Deployment")
        if one["metadata"]["namespace"] != "istio-gateway"
    }


def scripts(found: Synthesis) -> list[dict[str, Any]]:
    """Return the scripts of the mesh stack, each with its instances."""
    runs = found.scripts("mesh").values()
    assert runs
    return [one["provisioner"][0]["local-exec"] | {"instances": set(one["for_each"])} for one in runs]


def remote_secrets(found: Synthesis) -> set[str]:
    """Return the pairs of clusters with endpoint discovery."""
    (creation,) = [one for one in scripts(found) if "create-remote-secret" in one["command"]]
    instances: set[str] = creation["instances"]
    return instances


def check_one_region(found: Synthesis) -> None:
    assert list(clusters(found)) == ["mesh-tokyo-cluster-1"]
    assert remote_secrets(found) == set()


def check_twelve_regions(found: Synthesis) -> None:
    assert len(clusters(found)) == 12
    assert len(remote_secrets(found)) == len(list(permutations(range(12), 2)))
    assert len({one["ip_cidr_range"] for one in found.all("network", "google_compute_subnetwork").values()}) == 12


def check_shortest_names(found: Synthesis) -> None:
    assert set(clusters(found)) == {"a-b-cluster-1", "a-c-cluster-1"}
    assert {one["account_id"] for one in found.all("clusters", "google_service_account").values()} == {
        "a-b-node",
        "a-c-node",
    }
    assert set(deployments(found)) == {"s-1"}


def check_longest_names(found: Synthesis) -> None:
    accounts = {one["account_id"] for one in found.all("clusters", "google_service_account").values()}
    assert {len(account) for account in accounts} == {30}
    ((name, _),) = [one for one in deployments(found).items() if not one[0].startswith(("helloworld", "sleep"))]
    assert len(name) == 40 + 1 + 30


def check_longest_key(found: Synthesis) -> None:
    account = found.one("clusters", "google_service_account")
    assert account["account_id"] == "acme-tokyo-and-its-suburb-node"
    assert len(account["account_id"]) == 30


def check_keys_that_are_words(found: Synthesis) -> None:
    keys = ("no", "true", "vpc", "regions", "self", "each", "prototype", "then")
    assert set(clusters(found)) == {f"null-{key}-cluster-1" for key in keys}
    versions = {name for name in deployments(found) if name.startswith("helloworld")}
    assert versions == {"helloworld-1.10", "helloworld-012", "helloworld-2e3", "helloworld-17"}
    assert {one["alias"] for one in found.stacks["ingress"]["provider"]["kubernetes"]} == set(keys)
    assert env_of(found, "undefined", "self") == {"constructor": "1", "__proto__": "2", "toString": "3"}


def check_smallest_ranges(found: Synthesis) -> None:
    subnet = found.one("network", "google_compute_subnetwork")
    assert subnet["ip_cidr_range"] == "10.0.0.0/29"
    assert sorted(one["ip_cidr_range"] for one in subnet["secondary_ip_range"]) == ["10.0.0.32/27", "10.0.1.0/24"]


def check_largest_ranges(found: Synthesis) -> None:
    subnet = found.one("network", "google_compute_subnetwork")
    assert subnet["ip_cidr_range"] == "10.0.0.0/8"
    assert "240.0.0.0/9" in [one["ip_cidr_range"] for one in subnet["secondary_ip_range"]]


def check_neighbours(found: Synthesis) -> None:
    ranges = [one["ip_cidr_range"] for one in found.all("network", "google_compute_subnetwork").values()]
    assert sorted(ranges) == ["10.0.0.0/20", "10.0.48.0/20"]


def check_unusual_addresses(found: Synthesis) -> None:
    rules = found.all("network", "google_compute_firewall").values()
    assert {"240.16.0.0/16", "48.0.0.0/16"} in [set(one["source_ranges"]) for one in rules]


def check_another_plan(found: Synthesis) -> None:
    subnets = found.all("network", "google_compute_subnetwork").values()
    # 2,047 blocks of 1,024 addresses, of 65,536 (half of each taken), of 1,024 and of 16 after the first
    assert "10.31.252.0/22" in {one["ip_cidr_range"] for one in subnets}
    secondary = {one["ip_cidr_range"] for subnet in subnets for one in subnet["secondary_ip_range"]}
    assert {"247.255.0.0/17", "10.95.252.0/24"} <= secondary
    rules = found.all("network", "google_compute_firewall").values()
    assert ["172.20.127.240/28"] in [one["source_ranges"] for one in rules]


def check_numbers_and_ranges(found: Synthesis) -> None:
    subnets = found.all("network", "google_compute_subnetwork").values()
    secondary = [one["ip_cidr_range"] for subnet in subnets for one in subnet["secondary_ip_range"]]
    assert sorted(secondary) == ["10.12.0.0/14", "10.200.0.0/16", "10.64.240.0/20", "10.64.48.0/20"]


def check_zones(found: Synthesis) -> None:
    pools = found.by_name("clusters", "google_container_node_pool")
    assert {name: len(pool.get("node_locations") or []) for name, pool in pools.items()} == {
        "mesh-iowa-nodes": 4,
        "mesh-tokyo-nodes": 1,
        "mesh-osaka-nodes": 0,
    }


def check_machines(found: Synthesis) -> None:
    pools = found.by_name("clusters", "google_container_node_pool")
    machines = {name: pool["node_config"]["machine_type"] for name, pool in pools.items()}
    assert machines["mesh-tokyo-nodes"] == "n2-custom-6-20480-ext"
    assert machines["mesh-osaka-nodes"] == "a2-highgpu-1g"
    assert pools["mesh-iowa-nodes"]["autoscaling"]["min_node_count"] == 300


def check_all_but_one_retired(found: Synthesis) -> None:
    assert len(clusters(found)) == 4
    assert remote_secrets(found) == set()
    assert {name for name in deployments(found) if name.startswith("helloworld")} == {"helloworld-v2"}
    assert found.objects("tokyo") == []


def check_drained(found: Synthesis) -> None:
    (service,) = found.objects(None, "MultiClusterService")
    assert service["spec"]["clusters"] == [{"link": "asia-northeast3/mesh-seoul-cluster-1"}]
    for region, drained in {"tokyo": True, "osaka": True, "seoul": False}.items():
        selectors = {one["metadata"]["name"]: one["spec"]["selector"] for one in found.objects(region, "Service")}
        kept = {name: selectors.pop(name) for name in [*selectors] if name.endswith("-drained")}
        assert selectors.keys() == {"helloworld", "cart", "catalog"}
        for name, selector in selectors.items():
            assert selector == {"app": name} | ({"multi-region-mesh/drained": "true"} if drained else {})
        running = {one["metadata"]["name"] for one in found.objects(region, "ServiceAccount")} & selectors.keys()
        assert kept == ({f"{name}-drained": {"app": name} for name in running} if drained else {})
    assert deployments(found, "osaka").keys() == {"cart-v1", "helloworld-v1", "sleep"}


def check_drained_and_retired(found: Synthesis) -> None:
    service = found.object("tokyo", "MultiClusterService", "istio-ingressgateway")
    assert service["spec"]["clusters"] == [{"link": "asia-northeast1/mesh-tokyo-cluster-1"}]
    assert found.objects("osaka") == []


def check_both_apis(found: Synthesis) -> None:
    addresses = {one["name"] for one in found.all("ingress", "google_compute_global_address").values()}
    assert addresses == {"mesh-ingress", "mesh-gateway"}
    (of_mci,) = found.objects("tokyo", "MultiClusterService")
    assert of_mci["spec"]["clusters"] == [{"link": "asia-northeast2/mesh-osaka-cluster-1"}]
    for region, drained in {"tokyo": True, "osaka": False}.items():
        assert len(found.objects(region, "ServiceExport")) == 1
        exported = found.object(region, "Service", "istio-ingressgateway")
        assert ("multi-region-mesh/drained" in exported["spec"]["selector"]) is drained
    assert found.objects("seoul") == []
    policies = [found.object("tokyo", kind, name) for kind, name in CLOUD_ARMOR.items()]
    assert "edge" in json.dumps(policies[0]["spec"])
    assert "edge" in json.dumps(policies[1]["spec"])


CLOUD_ARMOR = {"BackendConfig": "ingress-backendconfig", "GCPBackendPolicy": "istio-ingressgateway"}


def check_internal_load_balancer(found: Synthesis) -> None:
    subnets = found.all("network", "google_compute_subnetwork").values()
    proxies = {one["region"]: one["ip_cidr_range"] for one in subnets if one.get("purpose") == "GLOBAL_MANAGED_PROXY"}
    assert proxies == {"asia-northeast1": "10.65.0.0/23", "asia-northeast2": "10.66.0.64/26"}
    assert found.all("ingress", "google_compute_global_address") == {}
    gateway = found.object("tokyo", "Gateway", "internal")
    assert [one["value"] for one in gateway["spec"]["addresses"]] == ["asia-northeast1", "asia-northeast2"]
    assert [one["protocol"] for one in gateway["spec"]["listeners"]] == ["HTTP"]
    (route,) = found.objects("tokyo", "HTTPRoute")
    assert route["spec"]["hostnames"] == ["shop.example.com"]
    redirects = [
        one["redirect"]
        for one in found.object("tokyo", "VirtualService", "routes")["spec"]["http"]
        if "redirect" in one
    ]
    assert {one["scheme"] for one in redirects} == {"http"}
    callers = found.object("osaka", "AuthorizationPolicy", "istio-ingressgateway")["spec"]["rules"][0]["from"]
    assert callers[0]["source"]["ipBlocks"][2:] == ["10.65.0.0/23", "10.66.0.64/26"]


def check_nothing_on_the_mesh(found: Synthesis) -> None:
    assert deployments(found) == {}
    assert found.all("ingress", "google_compute_global_address") == {}


def check_services_of_all_kinds(found: Synthesis) -> None:
    tokyo, osaka = deployments(found, "tokyo"), deployments(found, "osaka")
    assert (tokyo["none-v1"]["replicas"], tokyo["many-v1"]["replicas"]) == (0, 1000)
    assert "in-one-0" in osaka.keys() - tokyo.keys()
    # a in version b-c, and a-b in version c: one name in two namespaces
    both = [
        one["metadata"]["namespace"]
        for one in found.objects("osaka", "Deployment")
        if one["metadata"]["name"] == "a-b-c"
    ]
    assert sorted(both) == ["apps", "others"]
    services = found.objects("tokyo", "Service")
    ports = {one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in services}
    assert (ports["none"], ports["many"]) == (1, 65535)


def check_routes_side_by_side(found: Synthesis) -> None:
    uris = [
        match["uri"]
        for http in found.object("tokyo", "VirtualService", "routes")["spec"]["http"]
        for match in http["match"]
    ]
    assert uris == [
        {"exact": "/~me/a.b_c-d"},
        {"prefix": "/~me/a.b_c-d/"},
        {"exact": "/hello/"},
        {"exact": "/Hello"},
        {"exact": "/hello"},
        {"exact": "/api"},
        {"prefix": "/api/"},
    ]


def check_secret_manager(found: Synthesis) -> None:
    classes = found.objects("tokyo", "SecretProviderClass")
    assert sorted(yaml.safe_load(one["spec"]["parameters"]["secrets"])[0]["path"] for one in classes) == [".c", "a"]


def check_text_of_all_kinds(found: Synthesis) -> None:
    env = env_of(found, "checkout")
    assert env["SPACES"] == "  two before, two after  "
    assert env["LINES"] == "first\n  second, indented\n\nlast\n"
    assert env["FOLDED"] == "one line"
    assert env["QUOTES"] == "\"double\" and 'single'"
    assert env["UNICODE"] == "grüße, 東京, 😀"
    assert env["JSON"] == '{"a": [1, null, true], "b": "${HOME}"}'
    assert (env["NUMBER"], env["BOOLEAN"], env["EMPTY"]) == ("012", "no", "")
    assert env["REFERENCES"] == "$(NUMBER) $$(NUMBER) $$ $ $(NONE) ${NUMBER} %{if} $é $("
    assert env["a.b-c"] == "$"


def check_networks(found: Synthesis) -> None:
    (cluster,) = clusters(found).values()
    blocks = cluster["master_authorized_networks_config"]["cidr_blocks"]
    assert {one["cidr_block"] for one in blocks} >= {"16.0.0.0/4", "203.0.113.255/32", "198.51.100.7/32"}


def check_private_endpoint(found: Synthesis) -> None:
    assert {one["environment"]["ENDPOINT"] for one in scripts(found)} == {"private"}


def check_terraform_enterprise(found: Synthesis) -> None:
    cloud = found.stacks["network"]["terraform"]["cloud"]
    assert (cloud["hostname"], cloud["organization"]) == ("tfe.internal.example.com", "Acme_Corp-1")
    assert cloud["workspaces"]["name"] == "mesh-network"


def check_from_windows(found: Synthesis) -> None:
    assert list(clusters(found)) == ["mesh-tokyo-cluster-1"]
    assert env_of(found, "checkout")["LINES"] == "first\nlast\n"


def check_json(found: Synthesis) -> None:
    assert set(clusters(found)) == {"acme-tokyo-cluster-1", "acme-osaka-cluster-1"}


def check_yaml_styles(found: Synthesis) -> None:
    assert set(clusters(found)) == {"acme-tokyo-cluster-1", "acme-osaka-cluster-1"}
    assert {name for name in deployments(found) if name.startswith("helloworld")} == {"helloworld-v1", "helloworld-v2"}


def check_no_failover(found: Synthesis) -> None:
    assert found.objects(kind="DestinationRule") == []
    assert {one["release_channel"]["channel"] for one in clusters(found).values()} == {"RAPID"}


def check_failover_threshold(found: Synthesis) -> None:
    for cluster in ("tokyo", "osaka"):  # the Service is in both, wherever the pods are
        policies = found.objects(cluster, "GCPTrafficDistributionPolicy")
        thresholds = {
            one["metadata"]["name"]: one["spec"]["default"]["failoverConfig"]["failoverHealthThreshold"]
            for one in policies
        }
        assert thresholds == {"early": 99, "late": 1}


CHECKS = {name.removeprefix("check_").replace("_", "-"): one for name, one in globals().items() if name[:6] == "check_"}


def test_every_file_has_a_check() -> None:
    assert sorted(CHECKS) == FILES
    assert len(FILES) >= 20


@pytest.mark.parametrize("name", FILES)
def test_an_unusual_file(name: str, tmp_path: Path) -> None:
    file = FOLDER / f"{name}.yaml"
    environment = load_without_variables(file)
    data = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    jsonschema.Draft202012Validator(json.loads(schema_text())).validate(data)  # editors accept it, too
    assert list(violations(environment, data)) == []
    synthesis = synthesize(environment, tmp_path)
    assert sorted(synthesis.stacks) == sorted(STACKS)
    assert evaluate(claimed(environment), with_files(synthesis.stacks, synthesis.outdir)) == []
    CHECKS[name](synthesis)
