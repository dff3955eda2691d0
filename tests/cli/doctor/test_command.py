"""`mesh doctor` as a whole."""

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

from config.apis import APIS
from tests.cli.doctor.diagnosis import CONFIGURATION, INSTALLER, OSAKA, PROJECT, assert_all_ok, diagnose, expect, log_in
from tests.cli.emulated_project import EmulatedProject, emulated_project


def test_all_is_well_before_the_first_deploy(project: EmulatedProject) -> None:
    start = time.monotonic()
    found = assert_all_ok(project)
    assert time.monotonic() - start < 10
    assert [section["title"] for section in found.data["sections"]] == [
        "Tools on this machine",
        "Credentials",
        "Control plane mode",
        "Project",
        "APIs",
        "IAM roles",
        "Locations",
        "Quotas",
        "GKE control planes",
        "Conflicts",
        "asmcli",
    ]
    found.expect("network acme-vpc", "ok", "not created yet")
    assert found.of("control plane of tokyo")[1] == "not created yet"


def test_all_is_well_when_all_is_deployed(project: EmulatedProject) -> None:
    before = set(diagnose(project).findings)
    project.deploy()
    found = assert_all_ok(project)
    found.expect("network acme-vpc", "ok", "exists, in the state")
    assert found.of("fleet feature servicemesh")[1] == "exists, in the state"
    assert found.of("control plane of osaka")[1] == f"reachable at {project.planes.hosts[OSAKA]}"
    new = {f"{region}: {name}" for region in ("tokyo", "osaka") for name in ("remote secrets", "objects")}
    assert set(found.findings) - before == new
    assert before <= set(found.findings), "a finding has its name at every run"


def test_all_is_well_in_an_empty_project(tmp_path: Path) -> None:
    """As after step 2 of docs/getting-started.md: what is switched on first is on, and nothing else."""
    (tmp_path / "asmcli").write_bytes(INSTALLER)
    with emulated_project(tmp_path, CONFIGURATION, PROJECT) as empty:
        log_in(empty)
        found = diagnose(empty)
    assert found.status == 0
    assert found.bad() == ["billing", "quotas"]
    enable = f"gcloud services enable compute.googleapis.com --project {PROJECT} && mesh doctor"
    assert found.of("quotas")[2] == enable
    text = "unknown: the API cloudbilling.googleapis.com is disabled in the project"
    fix = f"gcloud services enable cloudbilling.googleapis.com --project {PROJECT}"
    found.expect("billing", "warning", text, fix)
    assert "0 of 15 enabled" in found.of("other APIs")[1]


def test_for_people(project: EmulatedProject) -> None:
    project.remove("jq")
    off = [api for api in APIS if api not in ("cloudresourcemanager", "compute", "container", "gkehub", "iam")]
    for api in off:
        project.server.cloud.store.remove(f"projects/{PROJECT}/services/{api}.googleapis.com")
    result = project.run("doctor")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "other programs" in line)
    assert lines[at] == "  failure  other programs: not installed: jq"
    assert lines[at + 1] == "           install these packages: jq"
    assert "  ok       terraform: 1.11.4" in lines
    apis = f"  ok       other APIs: 4 of 15 enabled; the network stack enables {', '.join(off)}"
    assert len(apis) > 200
    assert apis in lines, "a log is no terminal: lines are not wrapped"
    assert re.fullmatch(r"doctor: \d+ ok, 1 failure", lines[-1])
    assert result.stderr.splitlines()[0] == "mesh: checking the tools on this machine and the credentials"


def test_junit(project: EmulatedProject, tmp_path: Path) -> None:
    project.remove("jq")
    file = tmp_path / "doctor.xml"
    assert project.run("doctor", "--junit", str(file)).returncode == 1
    suites = {suite.get("name"): suite for suite in ElementTree.parse(file).getroot()}
    failures = [(case.get("name"), case.find("failure")) for suite in suites.values() for case in suite]
    failed = [(name, failure.get("message")) for name, failure in failures if failure is not None]
    assert failed == [("other programs", "not installed: jq; install these packages: jq")]
    assert len(failures) > 50
    assert {case.get("name") for case in suites["Project"]} == {"project", "billing"}


def test_a_configuration_that_is_not_right(project: EmulatedProject) -> None:
    project.configure("config_cluster: tokyo", "config_cluster: kyoto")
    result = project.run("doctor", "--json")
    assert result.returncode == 2
    [section] = json.loads(result.stdout)["sections"]
    assert [one["name"] for one in section["findings"]] == ["ingress.config_cluster"]
    assert "ingress.config_cluster = 'kyoto'" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_all_is_well_with_a_control_plane_on_the_nodes(project: EmulatedProject) -> None:
    """It is installed by the same script, and its webhook is where the firewall's rules lead."""
    project.set_mode("asmcli-in-cluster")
    project.deploy()
    found = assert_all_ok(project)
    assert found.of("asmcli checksum")[0] == "ok"
    assert found.of("tokyo: firewall rule acme-vpc-tokyo-control-plane")[1] == "exists, in the state"
    project.remove("istioctl")
    assert diagnose(project).bad() == ["istioctl"]


def test_a_mesh_that_was_made_in_another_way(project: EmulatedProject) -> None:
    """Terraform refuses that in its plan; here it is known before the clusters are changed."""
    expect(project, "mesh.control_plane", "ok", "asmcli-managed")
    fixed = {"id": "1", "triggers": {"control_plane": "fleet"}}
    project.write_resources("mesh", "null_resource", [("fixed", fixed)])
    text = "the deployed mesh has the mode fleet, and a mesh can't be migrated to asmcli-managed"
    fix = "to keep the mesh, set mesh.control_plane: fleet; ...cdktf destroy ingress mesh; then set asmcli-managed..."
    assert expect(project, "mesh.control_plane", "failure", text, fix).bad() == ["mesh.control_plane"]
    project.set_mode("fleet")
    expect(project, "mesh.control_plane", "ok", "fleet")
