"""`mesh picture`: the picture shows all that the configuration describes, and nothing else."""

import html
import json
import os
import re
import shutil
import subprocess
from itertools import permutations
from pathlib import Path

import pytest

from config.environment import Environment
from config.naming import STACKS
from config.paths import ROOT
from config.synthesized import stack_file
from config.terraform_text import escape
from tests.cli.invocation import invoke
from tests.synthesis.test_manifests import SCHEMAS, node
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, environment_of, load_without_variables, synthesize

VARIABLES = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "CDKTF_"))}
SHOP = "services: {own: {image: a:1, port: 80, failover: %s, route: {path: /}, regions: {end: {}, b: {replicas: 0}}}}"


def generated(count: int, more: str = "", ingress: str = "plain_http: true") -> Environment:
    """Return an environment with so many regions, the first one with a keyword of Mermaid for its key."""
    regions = [f"{key}: {{region: us-east{n}, number: {n}}}" for n, key in enumerate(("end", *"bcdef")[:count])]
    head = f"project: {{id: acme-mesh-prod, name_prefix: acme}}\nregions: {{{', '.join(regions)}}}\n"
    return environment_of(f"{head}cluster: {{endpoint: dns}}\ningress: {{config_cluster: end, {ingress}}}\n{more}")


CONFIGURED = {
    "sample": load_without_variables(REFERENCE),
    "retired region": load_without_variables(THREE_REGIONS),
    "one region": generated(1),
    "six regions": generated(6, "demo: {enabled: false}\n" + SHOP % "true"),
    "in-cluster": generated(2, "mesh: {control_plane: asmcli-in-cluster, asmcli: {version: 1.31.3-asm.9+config1}}"),
    "fleet": generated(3, "mesh: {control_plane: fleet}"),
    "no ingress": generated(3, SHOP % "false", ingress="enabled: false"),
}
AWKWARD = 'style: a"b]`c` <i>&amp;#35; %%{init: {}}%% classDef x:y#z; |--> \\n \n {d} (e) é'
Arrows = set[tuple[str, str, str]]


def expected(environment: Environment) -> tuple[dict[str, set[str]], Arrows]:
    """Return what a picture has to show: lines of each box, and arrows with their labels."""
    services, ingress = dict(sorted(environment.all_services().items())), environment.ingress
    config = ingress.config_cluster
    boxes = {"vpc_caption": {f"VPC {environment.names.vpc}", f"project {environment.project.id}"}}
    arrows, serving = Arrows(), dict[str, bool]()
    if ingress.enabled:
        boxes |= {"users": {"users"}, "lb": {f"https://{one}" for one in ingress.domains}}
        arrows.add(("users", "lb", ingress.scheme.upper()))
    for number, region in enumerate(environment.resolved_regions(), 1):
        id_, names, ranges, key = f"r{number}", region.names, region.ranges, region.key
        boxes[f"{id_}_caption"] = {f"{key}: {region.location}{' (retired)' * region.retired}", f"Cloud NAT {names.nat}"}
        boxes[f"{id_}_caption"] |= {f"subnet {environment.names.subnet} {ranges.nodes}", f"pods {ranges.pods}"}
        boxes[f"{id_}_cluster_caption"] = {f"cluster {names.cluster}{' (config cluster)' * (key == config)}"}
        boxes[f"{id_}_gke"] = {f"GKE control plane {ranges.control_plane}"}
        boxes[f"{id_}_nodes"] = {f"nodes {names.node_pool}"}
        arrows |= {(f"{id_}_gke", f"{id_}_nodes", f"tcp {port}") for port in environment.control_plane.webhook_ports}
        if region.retired:
            continue
        serving[id_] = False
        boxes |= {f"{id_}_mesh": {"mesh control plane"}, f"{id_}_services": {"services"}}
        for name, service in services.items():
            text = f"{name}.{service.namespace}: in other regions only"
            if here := environment.deployments(service).get(key):
                pods = service.replicas if here.replicas is None else here.replicas
                text = f"{name}.{service.namespace}: {here.version}, {pods} pod{'s' * (pods != 1)}"
                serving[id_] |= bool(pods) and service.failover
            boxes[f"{id_}_services"].add(text + " (no failover)" * (not service.failover))
        if ingress.enabled:
            routes = [one.route.path + "*" * (one.route.match == "prefix") for one in services.values() if one.route]
            boxes[f"{id_}_gateway"] = {"gateway istio-ingressgateway"}
            arrows |= {("lb", f"{id_}_gateway", "nearest"), (f"{id_}_gateway", f"{id_}_services", " ".join(routes))}
    for one, other in permutations(serving, 2):
        arrows.add((f"{one}_mesh", f"{other}_gke", "endpoint discovery"))
        if serving[other]:
            arrows.add((f"{one}_{'gateway' if ingress.enabled else 'services'}", f"{other}_services", "failover"))
    return boxes, arrows


def run(*arguments: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return invoke(["picture", *map(str, arguments)], VARIABLES | variables)


def drawn(format_: str, *arguments: str | Path) -> tuple[dict[str, list[str]], Arrows]:
    """Draw, and return what Mermaid or graphviz itself reads: lines of boxes and frames, and visible arrows."""
    text = run(*arguments, "--format", format_).stdout
    if not (shutil.which("dot") if format_ == "dot" else (SCHEMAS / "node_modules").is_dir()):
        pytest.skip(f"the parser of {format_} is not installed")
    command = ["dot", "-Tjson"] if format_ == "dot" else [node(), str(SCHEMAS / "mermaid.mjs")]
    text = text if format_ == "dot" else json.dumps([text])
    found = json.loads(subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=True).stdout)
    if format_ == "dot":
        ids = [one["name"] for one in found["objects"]]
        visible = [one for one in found["edges"] if one["style"] != "invis"]
        arrows = {(ids[one["tail"]], ids[one["head"]], html.unescape(one["label"])) for one in visible}
        boxes = {one["name"]: html.unescape(one["label"]) for one in found["objects"] if one.get("label")}
    else:
        boxes = found[0]["boxes"]
        arrows = {(one["start"], one["end"], one["text"]) for one in found[0]["arrows"] if one["stroke"] != "invisible"}
        for frame in found[0]["frames"]:
            region = frame["id"].removesuffix("_cluster")
            assert ("retired" in frame["classes"]) == ("(retired)" in boxes[f"{region}_caption"])
            assert region == "vpc" or {one.partition("_")[0] for one in frame["nodes"]} == {region}
    lines = {id_: re.sub("</?b>", "", text).split("<br/>") for id_, text in boxes.items()}
    arrows = {(start, end, " ".join(label.replace("<br/>", " ").split())) for start, end, label in arrows}
    for junction in [id_ for id_ in lines if id_.startswith("j")]:
        starts, ends = ({one[side] for one in arrows if one[1 - side] == junction} for side in (0, 1))
        arrows = {one for one in arrows if junction not in one}
        arrows |= {(one, other, lines[junction][0]) for one in starts for other in ends if one[:2] != other[:2]}
        del lines[junction]
    return lines, arrows


@pytest.fixture(scope="module", params=CONFIGURED)
def configured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Path]:
    environment = CONFIGURED[request.param]
    return environment, synthesize(environment, tmp_path_factory.mktemp("picture")).outdir


@pytest.mark.parametrize("format_", ["mermaid", "dot"])
def test_picture_is_true(configured: tuple[Environment, Path], format_: str) -> None:
    boxes, arrows = drawn(format_, "--synthesized", configured[1])
    facts, expected_arrows = expected(configured[0])
    assert boxes.keys() == facts.keys()
    assert {id_: facts[id_] - set(lines) for id_, lines in boxes.items() if not facts[id_] <= set(lines)} == {}
    assert {id_: lines for id_, lines in boxes.items() if "services" in id_ and len(lines) > len(facts[id_])} == {}
    assert arrows == expected_arrows


def edited(synthesis: Synthesis, folder: Path, **replacements: str) -> Path:
    shutil.copytree(synthesis.outdir, folder, dirs_exist_ok=True)
    text = stack_file(folder, "ingress").read_text("utf-8")
    for old, new in replacements.items():
        assert f'"{old}"' in text
        text = text.replace(f'"{old}"', json.dumps(escape(new)))
    stack_file(folder, "ingress").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize("format_", ["mermaid", "dot"])
def test_awkward_names(format_: str, reference: Synthesis, tmp_path: Path) -> None:
    """They come out of the parsers as they went in."""
    boxes, arrows = drawn(format_, "--synthesized", edited(reference, tmp_path, **{"/hello": AWKWARD, "v1": AWKWARD}))
    shown = " ".join(AWKWARD.split())
    assert f"helloworld.sample: {shown}, 1 pod" in boxes["r1_services"]
    assert ("r1_gateway", "r1_services", shown) in arrows


def test_a_rule_without_outlier_detection_is_no_failover(reference: Synthesis, tmp_path: Path) -> None:
    _, arrows = drawn("mermaid", "--synthesized", edited(reference, tmp_path, outlierDetection="other"))
    assert not {one for one in arrows if "failover" in one[2]}


def test_the_output_goes_to_a_file(reference: Synthesis, tmp_path: Path) -> None:
    result = run("--config", REFERENCE)
    assert result.stderr == "mesh: synthesizing mesh.yaml\n"
    assert run("--synthesized", reference.outdir, "--output", tmp_path / "mesh.mmd").stdout == ""
    assert (tmp_path / "mesh.mmd").read_text("utf-8") == result.stdout


def test_svg(reference: Synthesis, tmp_path: Path) -> None:
    arguments = ("--synthesized", reference.outdir, "--format", "svg")
    assert "dot, of graphviz, is missing" in refusal(*arguments, PATH=str(tmp_path))
    if shutil.which("dot"):
        assert "\xa0failover\xa0<" in run(*arguments).stdout


def refusal(*arguments: str | Path, **variables: str) -> str:
    result = run(*arguments, **variables)
    assert (result.returncode, result.stdout) == (2, "")
    return result.stderr


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"resource": {"google_compute_network": []}}'])
def test_wrong_json(content: str, reference: Synthesis, tmp_path: Path) -> None:
    folder = edited(reference, tmp_path / "out")
    stack_file(folder, "network").write_text(content, "utf-8")
    assert "cdktf synth" in refusal("--synthesized", folder)
    stack_file(folder, "network").unlink()
    assert "has no stack network" in refusal("--synthesized", folder)
    assert "is no folder" in refusal("--synthesized", tmp_path / "none")


@pytest.mark.parametrize("stack", STACKS)
def test_stacks_of_two_syntheses(stack: str, reference: Synthesis, three_regions: Synthesis, tmp_path: Path) -> None:
    folder = edited(reference, tmp_path)
    shutil.copy(stack_file(three_regions.outdir, stack), stack_file(folder, stack))
    assert str(folder) in refusal("--synthesized", folder)


def test_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(REFERENCE.read_text("utf-8").replace("number: 8", "number: 0"), "utf-8")
    output = refusal("--config", tmp_path / "wrong.yaml")
    assert ("regions.osaka" in output, "synthesizing" in output) == (True, False)


@pytest.mark.skipif((ROOT / ".tools" / "bin" / "node").exists(), reason="the Node.js of make is always found")
def test_failed_synthesis(tmp_path: Path) -> None:
    assert "Node.js is missing" in refusal("--config", REFERENCE, PATH=str(tmp_path))
