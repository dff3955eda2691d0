"""`mesh picture`: the picture shows all that the configuration describes, and nothing else."""

import json
import os
import re
import shutil
import subprocess
from itertools import combinations, pairwise, permutations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.image import imread
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox

from config.environment import Environment
from config.naming import STACKS
from config.paths import ROOT
from config.routing import routed_paths
from config.synthesized import stack_file
from config.terraform_text import escape
from tests.cli.invocation import invoke
from tests.synthesis.test_manifests import SCHEMAS, node
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, environment_of, load_without_variables, synthesize

IMAGES = ROOT / "docs" / "images"
VARIABLES = {key: value for key, value in os.environ.items() if not key.startswith(("MESH_", "CDKTF_"))}
SVG = "{http://www.w3.org/2000/svg}"
SHOP = (
    "services: {own: {image: a:1, port: 80, failover: %s, routes: [{path: /}], regions: {end: {}, b: {replicas: 0}}}}"
)


def generated(count: int, more: str = "", ingress: str = "plain_http: true") -> Environment:
    """Return an environment with so many regions, the first one with a keyword of Mermaid for its key."""
    places = (("end", "us-east1"), ("b", "us-east4"), ("c", "us-east5"))
    regions = [f"{key}: {{region: {region}, number: {n}}}" for n, (key, region) in enumerate(places[:count])]
    head = f"project: {{id: acme-mesh-prod, name_prefix: acme}}\nregions: {{{', '.join(regions)}}}\n"
    return environment_of(f"{head}cluster: {{endpoint: dns}}\ningress: {{config_cluster: end, {ingress}}}\n{more}")


HTTPS = "plain_http: true, domains: [a.example.com]"
IN_CLUSTER = (
    "demo: {enabled: false}\nmesh: {control_plane: asmcli-in-cluster, asmcli: {version: 1.31.3-asm.9+config1}}\n"
)
CONFIGURED = {
    "topology": load_without_variables(REFERENCE),  # named after their files in docs/images/
    "three-regions": load_without_variables(IMAGES / "three-regions.yaml"),
    "six-regions": load_without_variables(IMAGES / "six-regions.yaml"),
    "retired region": load_without_variables(THREE_REGIONS),
    "one region": generated(1, ingress="plain_http: true, domains: [a.example.com]"),
    "in-cluster": generated(2, IN_CLUSTER + SHOP % "true"),
    "a name like that of a drained service": generated(2, "services: {not-drained: {port: 80, regions: {end: {}}}}"),
    "another pipeline": generated(2, "services: {own: {port: 80, regions: {end: {}}}}"),
    "drained": environment_of(
        REFERENCE.read_text(encoding="utf-8").replace("number: 8", "number: 8\n    drained: true")
    ),
    "Gateways": generated(2, ingress=f"{HTTPS}, api: gateway, exposure: both"),
    "both APIs": generated(2, ingress="plain_http: true, api: both, security_policy: edge"),
    "no ingress": generated(3, SHOP % "false", ingress="enabled: false"),
}
DOCUMENTED = [("topology", "svg"), ("topology", "png"), ("three-regions", "svg"), ("six-regions", "svg")]
AWKWARD = 'style: a"b]`c` <i>&amp;#35; %%{init: {}}%% classDef x:y#z; |--> \\n \n {d} (e) é'
Arrows = set[tuple[str, str, str]]


def add_load_balancers(environment: Environment, boxes: dict[str, set[str]], arrows: Arrows) -> list[str]:
    """Add what a picture has to show of the load balancers and their clients, and return their boxes."""
    ingress = environment.ingress
    balancers = {"lb": "users"} if ingress.uses_mci else {}
    balancers |= {one: "clients" if one == "internal" else "users" for one in ingress.exposures}
    for balancer, users in balancers.items():
        secure = bool(ingress.domains) and balancer != "internal"
        name = f"multi-cluster Gateway {balancer}"
        boxes |= {
            users: {users},
            balancer: {"Multi Cluster Ingress istio-ingressgateway" if balancer == "lb" else name},
        }
        boxes[balancer] |= {f"http{'s' * secure}://{one}" for one in ingress.domains}
        boxes[balancer] |= {f"Cloud Armor policy {ingress.security_policy}"} if ingress.security_policy else set()
        if balancer == "internal":
            boxes[balancer] |= {f"address in {one.region}" for one in environment.regions.values()}
        else:
            names = {"lb": environment.names.ingress_address, "external": environment.names.gateway_address}
            boxes[balancer].add(f"address {names[balancer]}")
        schemes = ["HTTP"] * (ingress.plain_http or not secure) + ["HTTPS"] * secure
        arrows.add((users, balancer, f"{' and '.join(schemes)} requests"))
    return [*balancers]


def expected(environment: Environment) -> tuple[dict[str, set[str]], Arrows]:
    """Return what a picture has to show: lines of each box, and arrows with their labels."""
    services, ingress = dict(sorted(environment.all_services().items())), environment.ingress
    config = ingress.config_cluster
    boxes = {"vpc_title": {f"VPC {environment.names.vpc}, project {environment.project.id}"}}
    arrows, serving = Arrows(), dict[str, bool]()
    balancers = add_load_balancers(environment, boxes, arrows)
    for number, region in enumerate(environment.resolved_regions(), 1):
        id_, names, ranges, key = f"r{number}", region.names, region.ranges, region.key
        state = " (retired)" * region.retired + " (drained)" * region.drained
        boxes[f"{id_}_title"] = {f"{key}: {region.location}{state}", f"Cloud NAT {names.nat}"}
        boxes[f"{id_}_title"] |= {f"subnet {environment.names.subnet} {ranges.nodes}", f"pods {ranges.pods}"}
        boxes[f"{id_}_cluster_title"] = {f"cluster {names.cluster}{' (config cluster)' * (key == config)}"}
        boxes[f"{id_}_gke"] = {"GKE control plane", str(ranges.control_plane)}
        boxes[f"{id_}_nodes"] = {"nodes", names.node_pool}
        arrows |= {(f"{id_}_gke", f"{id_}_nodes", f"tcp {port}") for port in environment.control_plane.webhook_ports}
        if region.retired:
            continue
        serving[id_] = False
        boxes |= {f"{id_}_mesh": {"mesh control plane"}, f"{id_}_services": {"services"}}
        for name, service in services.items():
            text = f"{name}.{service.namespace}: in other regions only"
            if deployments := environment.deployments(service).get(key):
                texts = []
                for here in deployments:
                    given = (here.autoscaling, here.replicas, service.autoscaling, service.replicas)
                    scaling = next(one for one in given if one is not None)
                    pods = scaling if isinstance(scaling, int) else scaling.max_replicas
                    least = "" if isinstance(scaling, int) else f"{scaling.min_replicas} to "
                    texts.append(f"{here.version}, {least}{pods} pod{'s' * (pods != 1)}")
                    serving[id_] |= bool(pods) and service.failover and not region.drained
                text = f"{name}.{service.namespace}: {'; '.join(texts)}"
                if service.image is None:
                    text = f"{name}.{service.namespace}: pods of another pipeline"
            boxes[f"{id_}_services"].add(text + " (no failover)" * (not service.failover))
        if ingress.enabled:
            served = [one for one in routed_paths(services) if one.route.redirect is None]
            routes = sorted(one.base + "/*" * (one.route.match == "prefix") for one in served)
            boxes[f"{id_}_gateway"] = {"gateway", "istio-ingressgateway"}
            if not region.drained:
                arrows |= {(one, f"{id_}_gateway", "nearest region") for one in balancers}
                arrows.add((f"{id_}_gateway", f"{id_}_services", " ".join(["requests to", *routes])))
    for one, other in permutations(serving, 2):
        arrows.add((f"{one}_mesh", f"{other}_gke", "endpoint discovery"))
        if serving[other]:
            arrows.add(
                (
                    f"{one}_{'gateway' if ingress.enabled else 'services'}",
                    f"{other}_services",
                    "failover from another region",
                )
            )
    return boxes, arrows


def run(*arguments: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return invoke(["picture", *map(str, arguments)], VARIABLES | variables)


def read_mermaid(text: str) -> tuple[dict[str, list[str]], Arrows]:
    """Return what Mermaid itself reads: lines of boxes and frames, and visible arrows with their labels."""
    if not (SCHEMAS / "node_modules").is_dir():
        pytest.skip("Mermaid is not installed")
    command = [node(), str(SCHEMAS / "mermaid.mjs")]
    output = subprocess.run(command, input=json.dumps([text]), capture_output=True, encoding="utf-8", check=True).stdout
    (found,) = json.loads(output)
    lines = {id_: re.sub("</?b>", "", text).split("<br/>") for id_, text in found["boxes"].items()}
    for frame in found["frames"]:
        region = frame["id"].removesuffix("_cluster")
        assert ("retired" in frame["classes"]) == ("(retired)" in lines[f"{region}_title"][0])
        assert region == "vpc" or {one.partition("_")[0] for one in frame["nodes"]} == {region}
    visible = [one for one in found["arrows"] if one["stroke"] != "invisible"]
    arrows = {(one["start"], one["end"], one["text"].replace("<br/>", " ")) for one in visible}
    return lines, arrows


def read_svg(text: str) -> tuple[dict[str, list[str]], Arrows]:
    """Return what an SVG shows: lines of boxes and frames, and arrows with their labels, from or to a shared line."""
    lines: dict[str, list[str]] = {}
    groups = [(group.get("id", ""), group) for group in ElementTree.fromstring(text).iter(f"{SVG}g")]
    for id_, group in groups:
        lines.setdefault(id_.partition(".")[0], []).extend(one.text or "" for one in group.findall(f"{SVG}text"))
    ends = {id_: id_.partition("-") for id_ in lines if "-" in id_}
    arrows = {(start, end, " ".join(lines[id_])) for id_, (start, _, end) in ends.items()}
    return {id_: texts for id_, texts in lines.items() if texts and "-" not in id_}, arrows


def drawn(format_: str, *arguments: str | Path) -> tuple[dict[str, list[str]], Arrows]:
    """Draw, read what was drawn, and follow the arrows through shared lines and Mermaid's boxes for these."""
    text = run(*arguments, "--format", format_).stdout
    lines, arrows = read_mermaid(text) if format_ == "mermaid" else read_svg(text)
    for shared in {end for _, end, _ in arrows if re.fullmatch("j[0-9]|ingress|failover|discovery", end)}:
        starts, ends = ({one for one in arrows if one[1 - side] == shared} for side in (0, 1))
        pairs = [(start, end, label or lines[shared][0]) for start, _, _ in starts for _, end, label in ends]
        inside = len(pairs) > 1
        arrows = arrows - starts - ends | {one for one in pairs if one[0][:2] != one[1][:2] or not inside}
        lines.pop(shared, None)
    return lines, arrows


@pytest.fixture(scope="module", params=CONFIGURED)
def configured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Path]:
    environment = CONFIGURED[request.param]
    return environment, synthesize(environment, tmp_path_factory.mktemp("picture")).outdir


@pytest.mark.parametrize("format_", ["mermaid", "svg"])
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


@pytest.mark.parametrize("format_", ["mermaid", "svg"])
def test_awkward_names(format_: str, reference: Synthesis, tmp_path: Path) -> None:
    """They come out of the parsers as they went in."""
    boxes, arrows = drawn(format_, "--synthesized", edited(reference, tmp_path, **{"/hello": AWKWARD, "v1": AWKWARD}))
    shown = " ".join(AWKWARD.split())
    assert f"helloworld.sample: {shown}, 1 pod" in boxes["r1_services"]
    assert ("r1_gateway", "r1_services", f"requests to {shown}") in arrows


def test_a_rule_without_outlier_detection_is_no_failover(reference: Synthesis, tmp_path: Path) -> None:
    _, arrows = drawn("mermaid", "--synthesized", edited(reference, tmp_path, outlierDetection="other"))
    assert not {one for one in arrows if "failover" in one[2]}


@pytest.mark.parametrize(("configured", "format_"), DOCUMENTED, indirect=["configured"])
def test_pictures_of_the_documentation_are_todays(
    configured: tuple[Environment, Path], format_: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """To draw them again: make pictures."""
    file, today = IMAGES / f"{request.node.callspec.params['configured']}.{format_}", tmp_path / "today"
    run("--synthesized", configured[1], "--format", format_, "--output", today)
    if format_ == "svg":
        assert file.read_text("utf-8") == today.read_text("utf-8")
    else:
        one, other = imread(file), imread(today)
        assert one.shape == other.shape
        assert abs(one - other).max() < 0.2


def test_no_line_crosses_a_text_or_another_box(configured: tuple[Environment, Path]) -> None:
    """And texts are in their boxes, apart from each other, and in the picture."""
    root = ElementTree.fromstring(run("--synthesized", configured[1], "--format", "svg").stdout)
    size = [float(one) for one in root.attrib["viewBox"].split()]
    texts, boxes, lines = dict[str, Bbox](), dict[str, Bbox](), list[tuple[str, Bbox]]()
    for group in root.iter(f"{SVG}g"):
        id_ = group.get("id", "")
        for text in group.findall(f"{SVG}text"):
            font = FontProperties(family="sans-serif", size=9, weight=700 if "700" in text.attrib["style"] else 400)
            x, y = (float(text.attrib[one]) for one in "xy")
            width = TextPath((0, 0), text.text or "", prop=font).get_extents().width
            texts[id_] = Bbox([(x, y - 7), (x + width, y + 2)])
        for path in group.findall(f"{SVG}path")[:1]:
            points = [(float(x), float(y)) for x, y in re.findall(r"[ML] ([0-9.]+) ([0-9.]+)", path.attrib["d"])]
            if re.fullmatch("r[0-9]+_[a-z]+|users|lb", id_) and not id_.endswith("_cluster"):
                boxes[id_] = Bbox([[f(one) for one in zip(*points, strict=True)] for f in (min, max)])
            elif re.search("-|^(ingress|failover|discovery)$", id_):
                lines += [(id_, Bbox([*sorted(pair)])) for pair in pairwise(points)]
    assert (len(texts) > 10, len(boxes) > 1, len(lines) > 1) == (True, True, True)
    crossed = [(line, id_) for line, place in lines for id_, text in texts.items() if place.overlaps(text)]
    crossed += [(line, id_) for line, place in lines for id_, box in boxes.items() if place.overlaps(box.padded(-1))]
    crossed += [(one, other) for one, other in combinations(texts, 2) if texts[one].overlaps(texts[other])]
    assert crossed == []
    for id_, place in texts.items():
        box = boxes.get(id_.partition(".")[0], Bbox([(0, 0), size[2:]]))
        assert Bbox.union([place, box]).bounds == box.bounds, id_


def test_the_output_goes_to_a_file(reference: Synthesis, tmp_path: Path) -> None:
    result = run("--config", REFERENCE)
    assert result.stderr == "mesh: synthesizing mesh.yaml\n"
    assert run("--synthesized", reference.outdir, "--output", tmp_path / "mesh.mmd").stdout == ""
    assert (tmp_path / "mesh.mmd").read_text("utf-8") == result.stdout


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
    assert "does not exist" in refusal("--synthesized", tmp_path / "none")


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
    assert "cdktf requires Node.js" in refusal("--config", REFERENCE, PATH=str(tmp_path))
