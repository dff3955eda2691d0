"""`mesh picture`: what is drawn is what is synthesized, and what is written can be drawn."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cli.topology.mermaid import escaped
from config.naming import STACKS
from config.paths import ROOT
from config.terraform_text import escape
from tests.cli.invocation import invoke
from tests.synthesis.test_manifests import SCHEMAS, node
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, environment_of, synthesize

VARIABLES = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "CDKTF_"))}

FOUR_REGIONS = """
project: {id: acme-mesh-prod, name_prefix: acme}
regions:
  tokyo: {region: asia-northeast1, number: 0}
  osaka: {region: asia-northeast2, number: 8}
  iowa: {region: us-central1, number: 1}
  belgium: {region: europe-west1, number: 12}
cluster: {endpoint: private}
ingress: {config_cluster: tokyo, plain_http: true}
demo: {enabled: false}
services:
  checkout:
    image: docker.io/shop/checkout:1
    port: 8080
    replicas: 3
    route: {path: /checkout/a.b~c, match: prefix}
    failover: false
    regions: {tokyo: {}, iowa: {version: v2}, osaka: {version: v9, replicas: 0}}
"""
ONE_REGION = """
project: {id: acme-mesh-prod, name_prefix: acme}
regions:
  end: {region: asia-northeast1, number: 0}
cluster: {endpoint: dns}
ingress: {config_cluster: end, enabled: false}
demo: {enabled: false}
"""
OTHER_WAY = """
project: {id: acme-mesh-prod, name_prefix: acme}
regions:
  tokyo: {region: asia-northeast1, number: 0}
  osaka: {region: asia-northeast2, number: 8}
  seoul: {region: asia-northeast3, number: 4, retired: true}
cluster: {endpoint: public, authorized_networks: [{name: office, cidr: 203.0.113.0/24}]}
mesh: {control_plane: WAY}
ingress: {config_cluster: tokyo, plain_http: true}
"""
AWKWARD = 'style: a"b]`c` <i>&amp;#35; %%{init: {}}%% classDef x:y#z; |--> \\n \n {d} (e) é ${f}'

DRAWN = ("reference", "three_regions", "four_regions", "one_region", "in_cluster", "fleet")
"""Fixtures: environments whose pictures are looked at in every language."""

Edit = Callable[[dict[str, Any]], None]
Parsed = dict[str, Any]


@pytest.fixture(scope="module")
def four_regions(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    return synthesize(environment_of(FOUR_REGIONS), tmp_path_factory.mktemp("four-regions"))


@pytest.fixture(scope="module")
def one_region(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """The smallest environment; its region has a name that is a word of Mermaid's."""
    return synthesize(environment_of(ONE_REGION), tmp_path_factory.mktemp("one-region"))


@pytest.fixture(scope="module")
def in_cluster(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """A mesh whose control planes run on the nodes."""
    environment = environment_of(OTHER_WAY.replace("WAY", "asmcli-in-cluster"))
    return synthesize(environment, tmp_path_factory.mktemp("in-cluster"))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """A mesh that the fleet's API is asked for."""
    return synthesize(environment_of(OTHER_WAY.replace("WAY", "fleet")), tmp_path_factory.mktemp("fleet"))


def run(*arguments: str | Path, variables: Mapping[str, str] = VARIABLES) -> "subprocess.CompletedProcess[str]":
    return invoke(["picture", *map(str, arguments)], variables)


def written(*arguments: str | Path) -> str:
    """Return what the command writes on standard output."""
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def parse(text: str) -> Parsed:
    """Return what Mermaid itself reads in a text."""
    if not (SCHEMAS / "node_modules" / "mermaid").is_dir():
        pytest.skip("Mermaid is not installed: run make test")
    result = subprocess.run(
        [node(), SCHEMAS / "mermaid.mjs"],
        input=json.dumps([text]),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    (found,) = json.loads(result.stdout)
    assert "error" not in found, found["error"]
    assert found["type"] == "flowchart-v2"
    parsed: Parsed = found
    return parsed


@cache
def picture_of(folder: Path) -> Parsed:
    return parse(written("--synthesized", folder))


def lines(parsed: Parsed, box: str) -> list[str]:
    """Return what stands in a box."""
    return [re.sub("</?b>", "", line) for line in str(parsed["boxes"][box]).split("<br/>")]


def arrows(parsed: Parsed) -> set[tuple[str, str, str]]:
    """Return the arrows that are seen: start, end and text; one with two heads has a plus before its text."""
    return {
        (arrow["start"], arrow["end"], "+" * arrow["type"].startswith("double") + arrow["text"])
        for arrow in parsed["arrows"]
        if arrow["stroke"] != "invisible"
    }


def trust(parsed: Parsed) -> set[tuple[str, str, str]]:
    return {one for one in arrows(parsed) if one[0].endswith("_control") and one[1].endswith("_control")}


def rules(parsed: Parsed) -> list[list[str]]:
    """Return the three lines of each rule in the legend."""
    all_lines = lines(parsed, "rules")[:-1]
    return [all_lines[start : start + 3] for start in range(0, len(all_lines), 3)]


def edited(synthesis: Synthesis, folder: Path, **edits: Edit) -> Path:
    """Copy what is synthesized, change stacks in it by hand, and return the folder."""
    for stack in STACKS:
        content = json.loads(json.dumps(synthesis.stacks[stack]))
        if stack in edits:
            edits[stack](content)
            assert content != synthesis.stacks[stack], "nothing was edited"
        file = folder / "stacks" / stack / "cdk.tf.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content), encoding="utf-8")
    return folder


def firewall(stack: dict[str, Any], part: str) -> dict[str, Any]:
    (found,) = [
        one for name, one in stack["resource"]["google_compute_firewall"].items() if name.startswith(f"firewall_{part}")
    ]
    rule: dict[str, Any] = found
    return rule


def manifest(stack: dict[str, Any], region: str, kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        one["manifest"]
        for one in stack["resource"]["kubernetes_manifest"].values()
        if one["provider"] == f"kubernetes.{region}"
        and one["manifest"]["kind"] == kind
        and one["manifest"]["metadata"]["name"] == name
    ]
    rendered: dict[str, Any] = found
    return rendered


def grant(stack: dict[str, Any]) -> dict[str, Any]:
    (found,) = [one["for_each"] for name, one in stack["resource"]["null_resource"].items() if "grant" in name]
    pairs: dict[str, Any] = found
    return pairs


# The reference


def test_regions_of_the_reference(reference: Synthesis) -> None:
    parsed = picture_of(reference.outdir)
    titles = {frame["id"]: frame["title"] for frame in parsed["frames"]}
    assert titles == {
        "vpc": "VPC matt-vpc, project my-mesh-project",
        "r1": "tokyo: asia-northeast1",
        "r2": "osaka: asia-northeast2",
        "r1_cluster": "cluster matt-tokyo-cluster-1",
        "r2_cluster": "cluster matt-osaka-cluster-1",
        "legend": "Firewall rules of matt-vpc",
    }
    inside = {frame["id"]: set(frame["nodes"]) for frame in parsed["frames"]}
    assert inside["vpc"] == {"r1", "r2"}
    assert inside["r2"] == {"r2_subnet", "r2_cluster"}
    assert inside["r2_cluster"] == {f"r2_{one}" for one in ("control", "nodes1", "gateway1", "service1", "clients")}
    assert lines(parsed, "r2_subnet") == [
        "subnet matt-private-vm",
        "nodes 172.24.0.0/16",
        "pods 10.32.0.0/14",
        "services 10.64.128.0/20",
        "out by matt-osaka-nat on matt-osaka-router",
    ]
    assert lines(parsed, "r1_control") == [
        "control plane 192.168.0.0/28",
        "public endpoint, channel stable",
        "authorized: office 203.0.113.0/24",
        "config cluster",
        "mesh: asm-managed-stable, by asmcli",
        "remote secrets for osaka",
    ]
    assert lines(parsed, "r2_nodes1") == ["nodes matt-osaka-nodes", "e2-standard-4, 1 to 3 a zone", "rules F1, F3"]
    assert "config cluster" not in lines(parsed, "r2_control")


def test_arrows_of_the_reference(reference: Synthesis) -> None:
    assert arrows(picture_of(reference.outdir)) == {
        ("users", "mci1", ""),
        ("mci1", "r1_gateway1", ""),
        ("mci1", "r2_gateway1", ""),
        ("r1_gateway1", "r1_service1", "/hello"),
        ("r2_gateway1", "r2_service1", "/hello"),
        ("r1_control", "r2_control", "+watch each other"),
        ("r1_control", "r1_nodes1", "F2: tcp 15017"),
        ("r2_control", "r2_nodes1", "F3: tcp 15017"),
    }


def test_entry_and_services_of_the_reference(reference: Synthesis) -> None:
    parsed = picture_of(reference.outdir)
    assert lines(parsed, "mci1") == [
        "Multi Cluster Ingress istio-ingressgateway",
        "address matt-ingress",
        "plain HTTP: anybody on the way can read it",
        "port 80 of MultiClusterService istio-ingressgateway",
        "asks for /healthz/ready on 15021",
        "objects in the cluster of tokyo",
    ]
    assert lines(parsed, "r1_gateway1") == ["gateway istio-ingressgateway", "2 to 5 pods"]
    assert lines(parsed, "r1_service1") == ["helloworld.sample:5000", "v1, 1 pod", "when it fails: osaka v2"]
    assert lines(parsed, "r2_service1") == ["helloworld.sample:5000", "v2, 1 pod", "when it fails: tokyo v1"]
    assert lines(parsed, "r2_clients") == ["clients in the mesh", "sleep.sample"]


def test_firewall_rules_of_the_reference(reference: Synthesis) -> None:
    """With why each is there: the name of what it is good for, and why GKE's own rules do not do."""
    pods, tokyo, osaka = rules(picture_of(reference.outdir))
    assert pods[0] == "F1 matt-vpc-istio-multicluster-pods"
    assert pods[1] == ("allows tcp, udp, icmp, esp, ah, sctp, from pods of tokyo, osaka to nodes of tokyo, osaka")
    assert "answer from any region" in pods[2]
    assert tokyo[0] == "F2 matt-vpc-tokyo-control-plane"
    assert osaka[1] == "allows tcp 15017, from control plane of osaka to nodes of osaka"
    assert "sidecars injected" in osaka[2]
    assert all("GKE's own rule" in rule[2] for rule in (pods, tokyo, osaka))


# Other environments


def test_retired_region_and_own_service(three_regions: Synthesis) -> None:
    parsed = picture_of(three_regions.outdir)
    frames = {frame["id"]: frame for frame in parsed["frames"]}
    assert frames["r3"]["title"] == "belgium: europe-west1, retired: not in the mesh"
    assert [id_ for id_, frame in frames.items() if "faded" in frame["classes"]] == ["r3_cluster", "r3"]
    assert set(frames["r3_cluster"]["nodes"]) == {"r3_control", "r3_nodes1"}
    assert {one for one in arrows(parsed) if "r3" in one[0] + one[1]} == {("r3_control", "r3_nodes1", "F4: tcp 15017")}
    # Its pods run until its cluster goes.
    assert rules(parsed)[0][1].endswith("from pods of tokyo, iowa, belgium to nodes of tokyo, iowa, belgium")
    assert trust(parsed) == {("r1_control", "r2_control", "+watch each other")}
    assert lines(parsed, "r2_nodes1")[1:3] == [
        "n2-standard-8, 1 to 10 a zone",
        "us-central1-a, us-central1-b, us-central1-f",
    ]
    assert lines(parsed, "r2_control")[1:5] == [
        "dns endpoint, channel regular",
        "authorized: office 203.0.113.0/24",
        "authorized: operator 198.51.100.7/32",
        "config cluster",
    ]
    assert lines(parsed, "r1_service1") == ["checkout.apps:8080", "v4, 3 pods", "when it fails: iowa v5"]
    assert lines(parsed, "r1_service2") == ["helloworld.sample:5000", "v1, 1 pod", "no other region answers"]
    assert lines(parsed, "r2_service2") == ["helloworld.sample:5000", "not here: answered by tokyo v1"]
    assert parsed["classes"]["r2_service2"] == ["absent"]
    assert ("r2_gateway1", "r2_service1", "/checkout*") in arrows(parsed)
    assert lines(parsed, "mci1")[1:5] == [
        "address shop-ingress",
        "https://shop.example.com",
        "https://www.shop.example.com",
        "Cloud Armor policy shop-edge",
    ]
    assert "objects in the cluster of iowa" in lines(parsed, "mci1")


def test_four_regions(four_regions: Synthesis) -> None:
    """An arrow for each two that trust each other; without the rule requests are shared, with who has pods."""
    parsed = picture_of(four_regions.outdir)
    assert trust(parsed) == {
        (f"r{one}_control", f"r{other}_control", "+watch each other") for one, other in combinations(range(1, 5), 2)
    }
    assert lines(parsed, "r4_control")[-1] == "remote secrets for tokyo, osaka, iowa"
    assert lines(parsed, "r4_control")[1:3] == ["private endpoint, channel stable", "authorized: nobody outside"]
    assert lines(parsed, "r1_service1") == ["checkout.apps:8080", "v1, 3 pods", "shares requests with iowa v2"]
    assert lines(parsed, "r2_service1")[1:] == ["v9, 0 pods", "not here: answered by tokyo v1, iowa v2"]
    assert lines(parsed, "r4_service1")[1:] == ["not here: answered by tokyo v1, iowa v2"]
    assert ("r3_gateway1", "r3_service1", "/checkout/a.b~c*") in arrows(parsed)
    assert not any("clients" in box for box in parsed["boxes"])


def test_one_region_without_ingress_and_demo(one_region: Synthesis) -> None:
    parsed = picture_of(one_region.outdir)
    assert lines(parsed, "entry") == ["no way in from outside", "there is no Multi Cluster Ingress"]
    assert set(parsed["boxes"]) == {"entry", "r1_subnet", "r1_control", "r1_nodes1", "rules"}
    assert arrows(parsed) == {("r1_control", "r1_nodes1", "F1: tcp 15017")}
    assert lines(parsed, "r1_control")[-2:] == ["config cluster", "mesh: asm-managed-stable, by asmcli"]
    assert lines(parsed, "rules")[-1] == "Besides these, GKE makes rules for each cluster."


# Other ways to a mesh


def test_control_planes_on_the_nodes(in_cluster: Synthesis) -> None:
    """They watch the others from pods, whose ranges every control plane of the mesh admits."""
    parsed = picture_of(in_cluster.outdir)
    assert lines(parsed, "r1_control") == [
        "control plane 192.168.0.0/28",
        "public endpoint, channel stable",
        "authorized: office 203.0.113.0/24",
        "authorized: pods-osaka 10.32.0.0/14",
        "config cluster",
        "mesh: istiod asm-1285-12 on the nodes",
        "remote secrets for osaka",
    ]
    assert lines(parsed, "r3_control")[2:] == ["authorized: office 203.0.113.0/24"]
    assert trust(parsed) == {("r1_control", "r2_control", "+watch each other")}
    assert {one for one in arrows(parsed) if one[1].endswith("nodes1")} == {
        (f"r{number}_control", f"r{number}_nodes1", f"F{number + 1}: tcp 15017") for number in (1, 2, 3)
    }


def test_a_mesh_of_the_fleets(fleet: Synthesis) -> None:
    """Clusters see each other as the mesh is told to connect them, and nothing on the nodes injects sidecars."""
    parsed = picture_of(fleet.outdir)
    assert lines(parsed, "r1_control")[2:] == [
        "authorized: office 203.0.113.0/24",
        "config cluster",
        "mesh: managed by the fleet",
        "connected to osaka",
    ]
    assert trust(parsed) == {("r1_control", "r2_control", "+see each other")}
    assert lines(parsed, "r1_service1")[-1] == "when it fails: osaka osaka"
    assert [one for one in arrows(parsed) if one[1].endswith("nodes1")] == []
    assert "15017" not in str(parsed)
    ((pods, _, _),) = rules(parsed)
    assert pods == "F1 acme-vpc-istio-multicluster-pods"
    titles = {frame["id"]: frame["title"] for frame in parsed["frames"]}
    assert titles["r3"] == "seoul: asia-northeast3, retired: not in the mesh"
    assert titles["r2"] == "osaka: asia-northeast2"


def option_of(stack: dict[str, Any], region: str) -> dict[str, str]:
    maps = stack["resource"]["kubernetes_config_map_v1_data"].values()
    (found,) = [one["data"] for one in maps if one["provider"] == f"kubernetes.{region}"]
    data: dict[str, str] = found
    return data


def management(stack: dict[str, Any], region: str) -> dict[str, Any]:
    (found,) = [
        one for name, one in stack["resource"]["google_gke_hub_feature_membership"].items() if f"_{region}_" in name
    ]
    mesh: dict[str, Any] = found["mesh"]
    return mesh


@pytest.mark.parametrize("what", ["mode", "management"])
def test_a_fleet_that_does_not_connect(what: str, fleet: Synthesis, tmp_path: Path) -> None:
    """A cluster that is not told to, or whose mesh the fleet does not manage, sees nobody and is not seen."""

    def edit(mesh: dict[str, Any]) -> None:
        if what == "mode":
            option_of(mesh, "osaka")["multicluster_mode"] = "manual"
        else:
            management(mesh, "osaka")["management"] = "MANAGEMENT_MANUAL"

    parsed = picture_of(edited(fleet, tmp_path, mesh=edit))
    assert trust(parsed) == set()
    last = {"mode": "not connected", "management": "mesh: managed by the fleet"}
    assert lines(parsed, "r1_control")[-1] == last[what]
    assert lines(parsed, "r1_service1")[-1] == "no other region answers"
    assert ("retired" in next(one["title"] for one in parsed["frames"] if one["id"] == "r2")) == (what == "management")


# What is edited by hand shows


def test_trust_that_goes_one_way_or_is_gone(four_regions: Synthesis, tmp_path: Path) -> None:
    def edit(mesh: dict[str, Any]) -> None:
        for pair in ("tokyo/osaka", "tokyo/iowa", "iowa/tokyo"):
            del grant(mesh)[pair]

    parsed = picture_of(edited(four_regions, tmp_path, mesh=edit))
    assert trust(parsed) == {
        ("r2_control", "r1_control", "watches"),
        *(
            (f"r{one}_control", f"r{other}_control", "+watch each other")
            for one, other in ((1, 4), (2, 3), (2, 4), (3, 4))
        ),
    }
    assert lines(parsed, "r1_control")[-1] == "remote secrets for belgium"
    # Who isn't watched can't answer.
    assert lines(parsed, "r1_service1")[-1] == "no other region answers"


def test_no_trust_at_all(reference: Synthesis, tmp_path: Path) -> None:
    parsed = picture_of(edited(reference, tmp_path, mesh=lambda mesh: grant(mesh).clear()))
    assert trust(parsed) == set()
    assert lines(parsed, "r1_control")[-1] == lines(parsed, "r2_control")[-1] == "no remote secrets"
    assert lines(parsed, "r1_service1")[-1] == "no other region answers"


def test_firewall_rules_by_hand(reference: Synthesis, tmp_path: Path) -> None:
    def edit(network: dict[str, Any]) -> None:
        tokyo = firewall(network, "control-plane-tokyo")
        tokyo["allow"] = [{"protocol": "tcp", "ports": ["15017", "8080-8090"]}, {"protocol": "icmp"}]
        tokyo["target_tags"] = ["matt-osaka-node"]
        tokyo["description"] = "Because."
        osaka = firewall(network, "control-plane-osaka")
        osaka["deny"] = osaka.pop("allow")
        pods = firewall(network, "pods")
        pods["source_ranges"] = ["10.32.0.0/14", "198.18.0.0/15"]
        pods["target_tags"] += ["batch"]
        del pods["description"]
        firewalls = network["resource"]["google_compute_firewall"]
        firewalls["off"] = {**tokyo, "name": "off", "disabled": True}
        firewalls["out"] = {
            "name": "out",
            "direction": "EGRESS",
            "destination_ranges": ["172.16.0.0/16"],
            "allow": [{"protocol": "all"}],
            "description": "Out.",
        }

    parsed = picture_of(edited(reference, tmp_path, network=edit))
    assert rules(parsed) == [
        [
            "F1 matt-vpc-istio-multicluster-pods",
            "allows tcp, udp, icmp, esp, ah, sctp, from pods of osaka, 198.18.0.0/15 to nodes of tokyo, osaka, batch",
            "(it doesn't say)",
        ],
        [
            "F2 matt-vpc-tokyo-control-plane",
            "allows tcp 15017, 8080-8090, icmp, from control plane of tokyo to nodes of osaka",
            "Because.",
        ],
        [
            "F3 matt-vpc-osaka-control-plane",
            "denies tcp 15017, from control plane of osaka to nodes of osaka",
            firewall(reference.stacks["network"], "control-plane-osaka")["description"],
        ],
        ["F4 out", "allows all, from all in the VPC to nodes of tokyo", "Out."],
    ]
    assert lines(parsed, "r1_nodes1")[-1] == "rules F1"
    assert lines(parsed, "r2_nodes1")[-1] == "rules F1, F2, F3"
    assert {one for one in arrows(parsed) if one[1].endswith("nodes1")} == {
        ("r1_control", "r2_nodes1", "F2: tcp 15017, 8080-8090, icmp"),
        ("r2_control", "r2_nodes1", "F3: not tcp 15017"),
    }


def test_what_the_ingress_reaches(three_regions: Synthesis, tmp_path: Path) -> None:
    """A gateway that isn't selected is not reached; a route that no gateway serves, or to nothing, is not drawn."""

    def edit(ingress: dict[str, Any]) -> None:
        tokyo = manifest(ingress, "tokyo", "Deployment", "istio-ingressgateway")
        tokyo["spec"]["template"]["metadata"]["labels"]["app"] = "other"
        manifest(ingress, "iowa", "Gateway", "checkout-gateway")["spec"]["selector"] = {"istio": "nothing"}
        route = manifest(ingress, "iowa", "VirtualService", "helloworld")["spec"]["http"][0]
        route["route"][0]["destination"]["host"] = "gone.sample.svc.cluster.local"
        entry = manifest(ingress, "iowa", "MultiClusterIngress", "istio-ingressgateway")
        entry["spec"]["template"]["spec"]["backend"]["servicePort"] = 443
        ingress["resource"]["google_compute_global_address"]["address"]["name"] = "elsewhere"

    parsed = picture_of(edited(three_regions, tmp_path, ingress=edit))
    assert {one for one in arrows(parsed) if one[0] == "mci1"} == {("mci1", "r2_gateway1", "")}
    assert not [one for one in arrows(parsed) if one[0] == "r2_gateway1"]
    assert lines(parsed, "r2_gateway1")[-1] == "/hello to gone.sample, which is not here"
    assert ("r1_gateway1", "r1_service1", "/checkout*") in arrows(parsed)
    said = lines(parsed, "mci1")
    assert said[1] == "address elsewhere"
    assert "port 443 of MultiClusterService istio-ingressgateway" in said


def test_config_cluster_is_what_the_fleet_says(reference: Synthesis, tmp_path: Path) -> None:
    """And not where the objects are: if the two differ, the picture shows it."""

    def clusters(stack: dict[str, Any]) -> None:
        osaka = next(name for name in stack["resource"]["google_container_cluster"] if "osaka" in name)
        stack["output"]["by-hand"] = {"value": f"${{google_container_cluster.{osaka}.fleet[0].membership_id}}"}

    def mesh(stack: dict[str, Any]) -> None:
        spec = stack["resource"]["google_gke_hub_feature"]["multi-cluster-ingress"]["spec"]["multiclusteringress"]
        other = "data.terraform_remote_state.cross-stack-reference-input-clusters.outputs.by-hand"
        spec["config_membership"] = f"projects/p/locations/global/memberships/${{{other}}}"

    parsed = picture_of(edited(reference, tmp_path, clusters=clusters, mesh=mesh))
    assert "config cluster" in lines(parsed, "r2_control")
    assert "config cluster" not in lines(parsed, "r1_control")
    assert lines(parsed, "mci1")[-1] == "objects in the cluster of tokyo"


def test_a_rule_without_outlier_detection_is_no_failover(reference: Synthesis, tmp_path: Path) -> None:
    def edit(ingress: dict[str, Any]) -> None:
        del manifest(ingress, "osaka", "DestinationRule", "helloworld")["spec"]["trafficPolicy"]["outlierDetection"]

    parsed = picture_of(edited(reference, tmp_path, ingress=edit))
    assert lines(parsed, "r1_service1")[-1] == "when it fails: osaka v2"
    assert lines(parsed, "r2_service1")[-1] == "shares requests with tokyo v1"


# Languages


def awkward(reference: Synthesis, folder: Path) -> Path:
    """Give what has a name a name that no language of pictures likes."""

    def network(stack: dict[str, Any]) -> None:
        firewall(stack, "pods")["description"] = escape(AWKWARD)
        firewall(stack, "pods")["name"] = AWKWARD
        next(iter(stack["resource"]["google_compute_network"].values()))["name"] = AWKWARD

    def clusters(stack: dict[str, Any]) -> None:
        for pool in stack["resource"]["google_container_node_pool"].values():
            pool["name"] = AWKWARD

    def ingress(stack: dict[str, Any]) -> None:
        service = manifest(stack, "tokyo", "Service", "helloworld")
        service["metadata"]["name"] = escape(AWKWARD)
        route = manifest(stack, "osaka", "VirtualService", "helloworld")["spec"]["http"][0]
        route["match"] = [{"uri": {"exact": escape(AWKWARD)}}]

    return edited(reference, folder, network=network, clusters=clusters, ingress=ingress)


def test_awkward_names_in_mermaid(reference: Synthesis, tmp_path: Path) -> None:
    """They come out of Mermaid's parser as they went in, and nothing else becomes of them."""
    parsed = picture_of(awkward(reference, tmp_path))
    shown = " ".join(AWKWARD.split())
    assert set(parsed["boxes"]) == set(picture_of(reference.outdir)["boxes"])
    assert lines(parsed, "r1_nodes1")[0] == f"nodes {shown}"
    assert lines(parsed, "r1_service1")[0] == f"{shown}.sample:5000"
    assert ("r2_gateway1", "r2_service1", shown) in arrows(parsed)
    assert lines(parsed, "rules")[0] == f"F1 {shown}"
    assert lines(parsed, "rules")[2] == shown
    assert {frame["id"]: frame["title"] for frame in parsed["frames"]}["legend"] == f"Firewall rules of {shown}"


def test_nothing_of_a_name_is_html_in_mermaid() -> None:
    assert escaped("<img src=x onerror=a()>\n\"'&") == "#60;img src=x onerror=a()#62; #34;'#38;"


def graph_of(text: str) -> dict[str, Any]:
    """Return what graphviz itself reads in a text, laid out."""
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not on this machine: DOT not tried before the real program")
    result = subprocess.run(
        ["dot", "-Tjson"], input=text, capture_output=True, encoding="utf-8", check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert "warning" not in result.stderr.lower().replace("pango", ""), result.stderr
    graph: dict[str, Any] = json.loads(result.stdout)
    return graph


@pytest.mark.parametrize("environment", DRAWN)
def test_dot_has_the_same_boxes_and_arrows(environment: str, request: pytest.FixtureRequest) -> None:
    synthesis: Synthesis = request.getfixturevalue(environment)
    parsed = picture_of(synthesis.outdir)
    graph = graph_of(written("--synthesized", synthesis.outdir, "--format", "dot"))
    names = {one["_gvid"]: one["name"] for one in graph["objects"]}
    boxes = {one["name"]: one for one in graph["objects"] if "nodes" not in one and "subgraphs" not in one}
    assert set(boxes) - {"%3"} == set(parsed["boxes"]) - {"rules"}
    # A box that isn't drawn has no lines to draw.
    assert [name for name, one in boxes.items() if "_draw_" not in one or one.get("style") == "invis"] == []
    seen = {
        (names[edge["tail"]], names[edge["head"]], edge.get("dir") == "both")
        for edge in graph["edges"]
        if edge.get("style") != "invis"
    }
    assert seen == {(start, end, text.startswith("+")) for start, end, text in arrows(parsed)}


def texts(svg: str) -> str:
    """Return all that can be read in an SVG, without spaces: graphviz sets bold text apart."""
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return re.sub(r"\s", "", "".join(root.itertext()))


@pytest.mark.parametrize("environment", DRAWN)
def test_svg(environment: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All words of the picture can be read in it."""
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not on this machine: SVG not tried")
    synthesis: Synthesis = request.getfixturevalue(environment)
    file = tmp_path / "mesh.svg"
    assert written("--synthesized", synthesis.outdir, "--format", "svg", "--output", file) == ""
    svg = texts(file.read_text(encoding="utf-8"))
    parsed = picture_of(synthesis.outdir)
    words = [line for box in parsed["boxes"] if box != "rules" for line in lines(parsed, box)]
    words += [frame["title"] for frame in parsed["frames"]]
    words += [why for _, _, why in rules(parsed)] + [name.partition(" ")[2] for name, _, _ in rules(parsed)]
    assert len(words) > 20
    assert [word for word in words if re.sub(r"\s", "", word) not in svg] == []


def test_awkward_names_in_svg(reference: Synthesis, tmp_path: Path) -> None:
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not on this machine: SVG not tried")
    svg = texts(written("--synthesized", awkward(reference, tmp_path), "--format", "svg"))
    shown = re.sub(r"\s", "", AWKWARD)
    for text in (f"nodes{shown}", f"{shown}.sample:5000", f"F1{shown}", f"Firewallrulesof{shown}"):
        assert text in svg


# The command


@pytest.mark.parametrize(("config", "environment"), [(REFERENCE, "reference"), (THREE_REGIONS, "three_regions")])
def test_it_synthesizes_by_itself(config: Path, environment: str, request: pytest.FixtureRequest) -> None:
    """The same picture as of what cdktf has written before; progress is on standard error."""
    synthesis: Synthesis = request.getfixturevalue(environment)
    result = run("--config", config)
    assert result.returncode == 0, result.stderr
    assert result.stdout == written("--synthesized", synthesis.outdir)
    assert result.stderr == f"mesh: synthesizing {os.path.relpath(config, ROOT)}\n"


def test_output_file(reference: Synthesis, tmp_path: Path) -> None:
    file = tmp_path / "mesh.mmd"
    assert written("--synthesized", reference.outdir, "--output", file) == ""
    assert file.read_text(encoding="utf-8") == written("--synthesized", reference.outdir)


def refusal(*arguments: str | Path, variables: Mapping[str, str] = VARIABLES) -> tuple[str, str]:
    """Return the two lines of a command that can't do what it is to do."""
    result = run(*arguments, variables=variables)
    assert result.returncode == 2
    assert result.stdout == ""
    what, fix = result.stderr.splitlines()
    return what.removeprefix("mesh: "), fix.strip()


def test_no_folder(tmp_path: Path) -> None:
    what, fix = refusal("--synthesized", tmp_path / "none")
    assert what == f"{tmp_path / 'none'} is no folder"
    assert "cdktf synth" in fix


def test_no_stack(reference: Synthesis, tmp_path: Path) -> None:
    folder = edited(reference, tmp_path)
    shutil.rmtree(folder / "stacks" / "mesh")
    what, fix = refusal("--synthesized", folder)
    assert what == f"{folder} has no stack mesh (stacks/mesh/cdk.tf.json)"
    assert "cdktf synth" in fix


@pytest.mark.parametrize("content", ["{", "[]", '{"resource": {"google_compute_network": []}}', "{}"])
def test_a_stack_that_is_none(content: str, reference: Synthesis, tmp_path: Path) -> None:
    folder = edited(reference, tmp_path)
    (folder / "stacks" / "network" / "cdk.tf.json").write_text(content, encoding="utf-8")
    what, fix = refusal("--synthesized", folder)
    assert str(folder) in what
    assert "cdktf synth" in fix


@pytest.mark.parametrize("stack", STACKS)
def test_stacks_of_two_syntheses(stack: str, reference: Synthesis, three_regions: Synthesis, tmp_path: Path) -> None:
    folder = edited(reference, tmp_path)
    (folder / "stacks" / stack / "cdk.tf.json").write_text(json.dumps(three_regions.stacks[stack]), encoding="utf-8")
    what, fix = refusal("--synthesized", folder)
    assert str(folder) in what
    assert fix == "cdktf synth: the stacks have to be of one synthesis"


@pytest.mark.parametrize("format_", ["mermaid", "svg"])
def test_without_graphviz(format_: str, reference: Synthesis, tmp_path: Path) -> None:
    """Only an SVG needs it, and then it is said how to get one, or what does without."""
    arguments: tuple[str | Path, ...] = ("--synthesized", reference.outdir, "--format", format_)
    variables = VARIABLES | {"PATH": str(tmp_path)}
    if format_ == "mermaid":
        assert run(*arguments, variables=variables).returncode == 0
        return
    what, fix = refusal(*arguments, variables=variables)
    assert what == "dot, of graphviz, is missing"
    assert "--format mermaid" in fix


def test_file_that_cannot_be_written(reference: Synthesis, tmp_path: Path) -> None:
    what, fix = refusal("--synthesized", reference.outdir, "--output", tmp_path / "no" / "mesh.mmd")
    assert what == f"can't write {tmp_path / 'no' / 'mesh.mmd'}: No such file or directory"
    assert fix


def test_wrong_configuration(tmp_path: Path) -> None:
    """Every problem with its line, and nothing is synthesized."""
    config = tmp_path / "wrong.yaml"
    config.write_text(REFERENCE.read_text(encoding="utf-8").replace("number: 8", "number: 0"), encoding="utf-8")
    result = run("--config", config)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "synthesizing" not in result.stderr
    assert "regions.osaka" in result.stderr


def test_failed_synthesis(tmp_path: Path) -> None:
    """Such as without Node.js: what main.py says last, in two lines."""
    if (ROOT / ".tools" / "bin" / "node").exists():
        pytest.skip("make has installed Node.js in this checkout: it is always found")
    what, fix = refusal_after_progress("--config", REFERENCE, variables=VARIABLES | {"PATH": str(tmp_path)})
    assert "Node.js is missing" in what
    assert fix == "cdktf synth tells more"


def refusal_after_progress(*arguments: str | Path, variables: Mapping[str, str]) -> tuple[str, str]:
    result = run(*arguments, variables=variables)
    assert result.returncode == 2
    assert result.stdout == ""
    progress, what, fix = result.stderr.splitlines()
    assert progress.startswith("mesh: synthesizing")
    return what.removeprefix("mesh: "), fix.strip()
