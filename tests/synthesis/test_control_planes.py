"""Control plane modes: the resources and limits of each."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.control_plane import MODES, ControlPlaneMode, control_plane
from config.crds import ISTIO_CRDS, MCI_CRDS, SECRET_PROVIDER_CRD, TRAFFIC_DISTRIBUTION_CRD
from config.mesh import DEFAULT_VERSION
from config.paths import ROOT
from config.problems import ConfigError
from tests.synthesized import Synthesis, environment_of, synthesize
from tests.terraform.terraform import APPLY, error_of, initialized, run_terraform, terraform

TWO_REGIONS = """
project: {id: test-project}
regions:
  tokyo: {region: asia-northeast1, number: 0}
  osaka: {region: asia-northeast2, number: 8}
cluster:
  endpoint: public
  authorized_networks: [{name: office, cidr: 203.0.113.0/24}]
mesh: {control_plane: MODE, asmcli: {version: 1.31.3-asm.9+config1}}
ingress: {config_cluster: tokyo, plain_http: true}
"""


def with_mode(mode: str) -> str:
    return TWO_REGIONS.replace("MODE", mode)


@pytest.fixture(scope="module")
def in_all_modes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesis]:
    return {mode: synthesize(environment_of(with_mode(mode)), tmp_path_factory.mktemp(mode)) for mode in MODES}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> ControlPlaneMode:
    name: ControlPlaneMode = request.param
    return name


@pytest.fixture
def synthesis(in_all_modes: dict[str, Synthesis], mode: ControlPlaneMode) -> Synthesis:
    return in_all_modes[mode]


def test_modes_are_those_of_the_schema() -> None:
    schema = json.loads((ROOT / "mesh.schema.json").read_text(encoding="utf-8"))
    assert tuple(schema["$defs"]["Mesh"]["properties"]["control_plane"]["enum"]) == MODES


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(ConfigError, match="must be one of asmcli-in-cluster, asmcli-managed, fleet; did you mean"):
        environment_of(with_mode("asmcli-manged"))


@pytest.mark.parametrize(
    ("mode", "channel", "revision"),
    [
        ("asmcli-managed", "stable", "asm-managed-stable"),
        ("asmcli-managed", "regular", "asm-managed"),
        ("fleet", "rapid", "asm-managed-rapid"),
        ("asmcli-in-cluster", "rapid", "asm-1313-9"),
    ],
)
def test_revision(mode: ControlPlaneMode, channel: str, revision: str, tmp_path: Path) -> None:
    """All revision labels have the revision of the mode, and no other text contains one."""
    text = with_mode(mode).replace("cluster:\n", f"cluster:\n  release_channel: {channel}\n")
    environment = environment_of(text)
    assert environment.revision == revision
    made = synthesize(environment, tmp_path)
    labels = set(re.findall(r'"istio.io/rev": "([^"]*)"', json.dumps(made.stacks)))
    assert labels == (set() if mode == "fleet" else {revision})
    others = set(re.findall(r"asm-(?:managed[a-z-]*|\d+-\d+)", json.dumps(made.stacks))) - {revision, "asm-managed"}
    assert others <= {name for name in MODES if name != mode}, "a revision of another mode"


def test_the_version_decides_the_revision_in_the_cluster() -> None:
    text = with_mode("asmcli-in-cluster")
    assert environment_of(text.replace("1.31.3-asm.9", "1.27.1-asm.5")).revision == "asm-1271-5"
    assert environment_of(text.replace("1.31.3-asm.9", "1.28.5-asm.12")).revision == "asm-1285-12"


def test_the_version_in_the_cluster_is_given() -> None:
    """A default that changes would upgrade the istiods of an existing mesh."""
    text = with_mode("asmcli-in-cluster").replace(", asmcli: {version: 1.31.3-asm.9+config1}", "")
    with pytest.raises(ConfigError) as caught:
        environment_of(text)
    (problem,) = caught.value.problems
    assert problem.path == "mesh.asmcli.version"
    assert f"`version: {DEFAULT_VERSION}` for a new mesh" in problem.rule
    assert "exists without this line, `version: 1.28.5-asm.12+config1`" in problem.rule
    environment_of(text.replace("asmcli-in-cluster", "asmcli-managed"))


def test_scripts_run_only_where_tools_are_needed(synthesis: Synthesis, mode: ControlPlaneMode) -> None:
    scripts = [name for stack in synthesis.stacks for name in synthesis.scripts(stack)]
    text = json.dumps(synthesis.stacks)
    if control_plane(mode).runs_local_scripts:
        assert len(scripts) >= 5
    else:
        assert scripts == []
        assert "local-exec" not in text
        assert "assets/scripts" not in text
        assert not list(synthesis.outdir.rglob("*.sh"))


def test_the_webhooks_port(synthesis: Synthesis, mode: ControlPlaneMode) -> None:
    rules = synthesis.all("network", "google_compute_firewall").values()
    ports = [allow["ports"] for rule in rules for allow in rule["allow"] if "ports" in allow]
    assert [one for one in ports if "15017" in one] == ([] if mode == "fleet" else [["15017"]] * 2)


def test_authorized_networks_of_gke_control_planes(synthesis: Synthesis, mode: ControlPlaneMode) -> None:
    """With istiod in the clusters, each GKE control plane authorizes the pods of all other clusters."""
    for cluster in synthesis.all("clusters", "google_container_cluster").values():
        blocks = cluster["master_authorized_networks_config"]["cidr_blocks"]
        networks = {one["display_name"]: one["cidr_block"] for one in blocks}
        other, pods = ("osaka", "10.32.0.0/14") if "tokyo" in cluster["name"] else ("tokyo", "10.0.0.0/14")
        expected = {"office": "203.0.113.0/24"}
        if mode == "asmcli-in-cluster":
            expected[f"pods-{other}"] = pods
        assert networks == expected


def test_a_retired_region_has_no_peer_api_clients() -> None:
    text = with_mode("asmcli-in-cluster").replace("number: 8}", "number: 8, retired: true}")
    environment = environment_of(text)
    assert environment.peer_api_clients("tokyo") == []
    assert environment.peer_api_clients("osaka") == []
    assert environment_of(with_mode("asmcli-in-cluster")).peer_api_clients("osaka") != []


def test_endpoint_discovery(synthesis: Synthesis, mode: ControlPlaneMode) -> None:
    grants = [one for name, one in synthesis.all("mesh", "null_resource").items() if "trust_grant" in name]
    options = [
        (one["metadata"]["name"], one["data"])
        for one in synthesis.all("mesh", "kubernetes_config_map_v1_data").values()
    ]
    if control_plane(mode).uses_remote_secrets:
        (grant,) = grants
        assert set(grant["for_each"]) == {"tokyo/osaka", "osaka/tokyo"}
        assert options == []
    else:
        assert grants == []
        assert options == [("asm-options", {"multicluster_mode": "connected"})] * 2


def test_locality(synthesis: Synthesis, mode: ControlPlaneMode) -> None:
    """Managed control planes do not support the setting."""
    rules = synthesis.objects(kind="DestinationRule")
    assert len(rules) == 2
    for rule in rules:
        balancer = rule["spec"]["trafficPolicy"].get("loadBalancer")
        assert balancer == ({"localityLbSetting": {"enabled": True}} if mode == "asmcli-in-cluster" else None)
        assert rule["spec"]["trafficPolicy"]["outlierDetection"]


def test_asmcli_gets_the_mode(in_all_modes: dict[str, Synthesis]) -> None:
    for mode, installed, revision in (
        ("asmcli-managed", "managed", "asm-managed-stable"),
        ("asmcli-in-cluster", "in-cluster", "asm-1313-9"),
    ):
        install = in_all_modes[mode].one("mesh", "null_resource", "control-plane_install")
        assert {(one["mode"], one["revision"]) for one in install["for_each"].values()} == {(installed, revision)}


# --- fleet


@pytest.fixture
def fleet(in_all_modes: dict[str, Synthesis]) -> Synthesis:
    return in_all_modes["fleet"]


def test_every_cluster_has_automatic_management(fleet: Synthesis) -> None:
    memberships = fleet.all("mesh", "google_gke_hub_feature_membership")
    assert len(memberships) == 2
    for address, one in memberships.items():
        key = "tokyo" if "tokyo" in address else "osaka"
        assert (one["feature"], one["location"]) == ("servicemesh", "global")
        assert one["mesh"] == {"management": "MANAGEMENT_AUTOMATIC"}
        for part in ("membership_location", "membership"):
            assert re.search(rf"regions_{key}_cluster_\w+fleet0membership_", one[part])
        waits_for = " ".join(one["depends_on"])
        assert f"fleet-mesh_{key}_own-options" in waits_for
        assert "google_gke_hub_feature.service-mesh" in waits_for


def test_the_stack_waits_until_the_crds_are_established(fleet: Synthesis) -> None:
    """A Job in each cluster waits, as terraform has no tools in this mode."""
    for key, kinds in (("tokyo", {*ISTIO_CRDS, *MCI_CRDS}), ("osaka", {*ISTIO_CRDS})):
        job = fleet.one("mesh", "kubernetes_manifest", f"{key}_readiness_")
        assert job["wait"] == {"fields": {"status.succeeded": "1"}}
        assert job["timeouts"]["create"] == "30m"
        assert job["provider"] == f"kubernetes.{key}"
        pod = job["manifest"]["spec"]["template"]["spec"]
        there, served, *_ = [set(one["args"]) for one in pod["initContainers"]]
        assert kinds <= there
        assert kinds <= served
        assert "controlplanerevisions.mesh.cloud.google.com" in there
        assert pod["initContainers"][-1]["args"][-1] == "controlplanerevision/asm-managed-stable"
        (probe,) = pod["containers"]
        assert {"--dry-run=server", "--namespace=mesh-readiness", "--allow-missing-template-keys=false"} <= set(
            probe["args"]
        )
        assert f"fleet-mesh_{key}_readiness-binding" in " ".join(job["depends_on"])


def test_a_failover_threshold(fleet: Synthesis, tmp_path: Path) -> None:
    """Its kind is of GKE's Gateway API, which every cluster then serves before the stack `ingress` is planned."""
    shop = "services: {shop: {image: i, port: 80, failover_threshold: 40}, cart: {image: i, port: 80}}\n"
    thresholds = synthesize(environment_of(with_mode("fleet") + shop), tmp_path)
    for cluster in ("tokyo", "osaka"):
        (policy,) = thresholds.objects(cluster, "GCPTrafficDistributionPolicy")
        target = thresholds.object(cluster, "Service", "shop")["metadata"]
        assert policy["metadata"]["namespace"] == target["namespace"]
        assert policy["spec"] == {
            "targetRefs": [{"group": "", "kind": "Service", "name": target["name"]}],
            "default": {"failoverConfig": {"failoverHealthThreshold": 40}},
        }
    for synthesis, used in ((fleet, False), (thresholds, True)):
        for cluster in ("tokyo", "osaka"):
            job = synthesis.one("mesh", "kubernetes_manifest", f"{cluster}_readiness_")["manifest"]
            there, served, *_ = [one["args"] for one in job["spec"]["template"]["spec"]["initContainers"]]
            assert (TRAFFIC_DISTRIBUTION_CRD in there) is used
            assert (TRAFFIC_DISTRIBUTION_CRD in served) is used
        for one in synthesis.all("clusters", "google_container_cluster").values():
            assert one.get("gateway_api_config") == ({"channel": "CHANNEL_STANDARD"} if used else None)


def test_the_job_waits_for_the_secret_manager_add_on(fleet: Synthesis, tmp_path: Path) -> None:
    text = with_mode("fleet").replace("cluster:\n", "cluster:\n  secret_manager: true\n", 1)
    for synthesis, used in ((fleet, False), (synthesize(environment_of(text), tmp_path), True)):
        for cluster in ("tokyo", "osaka"):
            job = synthesis.one("mesh", "kubernetes_manifest", f"{cluster}_readiness_")["manifest"]
            _, served, *_ = [one["args"] for one in job["spec"]["template"]["spec"]["initContainers"]]
            assert (SECRET_PROVIDER_CRD in served) is used


def test_a_changed_wait_is_a_new_job(fleet: Synthesis, tmp_path: Path) -> None:
    """A Job is immutable: its name contains a hash of its content."""
    text = with_mode("fleet").replace("fleet,", "fleet, kubectl_image: x.io/kubectl:1,")
    other = synthesize(environment_of(text), tmp_path)

    def name(synthesis: Synthesis) -> str:
        job = synthesis.one("mesh", "kubernetes_manifest", "osaka_readiness_")["manifest"]
        return str(job["metadata"]["name"])

    assert re.fullmatch(r"mesh-readiness-[0-9a-f]{8}", name(fleet))
    assert name(fleet) != name(other)


def test_the_job_has_read_access_only(fleet: Synthesis) -> None:
    roles = [
        one["manifest"]
        for one in fleet.all("mesh", "kubernetes_manifest").values()
        if one["manifest"]["kind"] == "ClusterRole"
    ]
    own = [one["manifest"] for one in fleet.all("mesh", "kubernetes_manifest").values()]
    probes = [one for one in own if one["kind"] == "Role"]
    assert {one["metadata"]["namespace"] for one in probes} == {"mesh-readiness"}
    assert [one["rules"] for one in probes] == [[{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]] * 2
    assert len(roles) == 2
    for role in roles:
        assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
        assert not [one for rule in role["rules"] for one in rule["resources"] if one in ("*", "secrets")]


# --- unsupported configurations


def test_a_public_control_plane_range_is_an_error_with_istiod_in_the_cluster() -> None:
    """Pods reach such a control plane with their nodes' addresses, which are not authorized."""
    text = with_mode("asmcli-in-cluster").replace("number: 8}", "number: 8, control_plane: 11.0.0.0/28}")
    with pytest.raises(ConfigError) as caught:
        environment_of(text)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("regions.osaka.control_plane", 5)
    assert "with mesh.control_plane: asmcli-in-cluster" in problem.rule
    assert "choose a private range, or mesh.control_plane: fleet" in problem.rule
    environment_of(text.replace("asmcli-in-cluster", "fleet"))
    alone = text.replace("  tokyo: {region: asia-northeast1, number: 0}\n", "").replace("tokyo", "osaka")
    environment_of(alone)


def test_the_number_of_authorized_networks_is_limited() -> None:
    def many(number: int, mode: str) -> str:
        networks = ", ".join(f"{{name: n{index}, cidr: 203.0.113.{index}/32}}" for index in range(number))
        return with_mode(mode).replace("[{name: office, cidr: 203.0.113.0/24}]", f"[{networks}]")

    environment_of(many(99, "asmcli-in-cluster"))
    with pytest.raises(ConfigError, match="there are 101; GKE takes 100"):
        environment_of(many(100, "asmcli-in-cluster"))


# --- the contract


def test_a_new_mode_fails_type_checks_until_it_is_finished(tmp_path: Path) -> None:
    """Each function that matches modes ends in assert_never, which mypy then finds reachable."""
    source = (ROOT / "config" / "control_plane.py").read_text(encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
    added = {
        "control_plane(mode": source.replace('"fleet"]', '"fleet", "sidecarless"]', 1),
        "runs_local_scripts": source.replace('"fleet-api"]', '"fleet-api", "helm"]', 1),
        "uses_remote_secrets": source.replace('"connected"]', '"connected", "gateway"]', 1),
    }
    for name, text in {"": source, **added}.items():
        file = tmp_path / "changed.py"
        file.write_text(text, encoding="utf-8")
        result = subprocess.run([*mypy, str(file)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        assert (text == source) is (name == "")
        assert result.returncode == (1 if name else 0), f"{name}: {result.stdout}"
        assert ('expected "Never"' in result.stdout) is bool(name), result.stdout


def test_remote_secrets_need_scripts() -> None:
    """A script creates them."""
    for mode in MODES:
        chosen = control_plane(mode)
        assert chosen.uses_remote_secrets <= chosen.runs_local_scripts
        assert len(chosen.summary) > 20


# --- no migration


@pytest.mark.usefixtures("_providers")
def test_a_changed_mode_fails_the_plan(tmp_path: Path) -> None:
    def stack_of(name: str) -> dict[str, Any]:
        from constructs.bindings import NullProvider, TerraformStack  # noqa: PLC0415 (starts Node.js)
        from constructs.fixed_control_plane import FixedControlPlane  # noqa: PLC0415
        from stacks.wiring import new_app  # noqa: PLC0415

        app = new_app(tmp_path / "out")
        stack = TerraformStack(app, "mesh")
        NullProvider(stack, "null")
        FixedControlPlane(stack, "fixed", name=name)
        app.synth()
        content = json.loads((tmp_path / "out" / "stacks" / "mesh" / "cdk.tf.json").read_text(encoding="utf-8"))
        del content["terraform"]["backend"]
        return dict(content)

    folder = tmp_path / "mesh"
    folder.mkdir()
    file = folder / "cdk.tf.json"
    file.write_text(json.dumps(stack_of("asmcli-managed")), encoding="utf-8")
    run_terraform(initialized(folder), *APPLY)
    run_terraform(folder, "plan", "-detailed-exitcode")
    file.write_text(json.dumps(stack_of("fleet")), encoding="utf-8")
    message = error_of(terraform(folder, "plan"))
    assert "the deployed mesh has the mode asmcli-managed, and a mesh can't be migrated to fleet." in message
    assert "set `mesh.control_plane: asmcli-managed` in the configuration file" in message
    assert "cdktf destroy ingress mesh" in message
    run_terraform(folder, "destroy", "-auto-approve")
