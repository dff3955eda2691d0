"""A recording is what the APIs have answered, and the fake cloud can give it, and be compared with it."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.sources.resources import expected_resources
from config.paths import ROOT
from tests.cli.emulated_project import EmulatedProject, emulated_project
from tests.fake_cloud.recorded import RecordedAnswers, differences, main
from tools.acceptance.recording import FORMAT, google_versions, record, redacted
from tools.acceptance.redaction import PROJECT, Redaction, texts

ID = "acme-payments-prod"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedProject]:
    """A deployed project, whose APIs this process calls."""
    text = (ROOT / "mesh.yaml").read_text(encoding="utf-8").replace("id: my-mesh-project", f"id: {ID}")
    with emulated_project(tmp_path, text, ID) as found:
        found.deploy()
        for path, one in found.server.cloud.store.all().items():
            if path.split("/")[-2] not in ("features", "memberships", "serviceAccounts", "services"):
                one.setdefault("selfLink", f"{found.server.cloud.base}/v1/{path}")
            if "/features/" in path or "/serviceAccounts/" in path:
                one["name"] = path
        for name, value in found.server.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", found.token())
        yield found


def calls_of(project: EmulatedProject) -> list[dict[str, Any]]:
    known = [
        *texts(project.environment.model_dump(mode="json")),
        *(one.path for one in expected_resources(project.environment)),
    ]
    return redacted(record(project.environment), Redaction(ID, known))


def write(file: Path, calls: list[dict[str, Any]]) -> Path:
    file.write_text(json.dumps({"format": FORMAT, "calls": calls}), encoding="utf-8")
    return file


def test_a_recording_has_every_list_and_every_resource(project: EmulatedProject) -> None:
    paths = {one["path"] for one in calls_of(project)}
    home = f"projects/{PROJECT}"
    assert {home, f"{home}/services", f"{home}/global/networks", f"{home}/locations/-/clusters"} <= paths
    assert len([path for path in paths if "/clusters/" in path]) == 2
    assert ID not in json.dumps(calls_of(project))


def test_the_fake_cloud_gives_recorded_answers(project: EmulatedProject, tmp_path: Path) -> None:
    calls = calls_of(project)
    cluster = next(one for one in calls if one["path"].endswith("/locations/-/clusters"))
    cluster["answer"]["clusters"][0]["currentMasterVersion"] = "1.99.0-gke.1"
    answers = RecordedAnswers.read(write(tmp_path / "answers.json", calls)).of_project(ID)
    project.server.recorded = answers.find
    again = record(project.environment)
    listed = next(one for one in again if one["path"].endswith("/locations/-/clusters"))
    assert listed["answer"]["clusters"][0]["currentMasterVersion"] == "1.99.0-gke.1"
    assert {one["path"] for one in again} == {one["path"].replace(PROJECT, ID) for one in calls}


def test_fields_that_only_one_has(project: EmulatedProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    emulated = calls_of(project)
    real = copy.deepcopy(emulated)
    network = next(one for one in real if one["path"].endswith("/global/networks"))["answer"]["items"][0]
    network["mtu"] = 1460
    del network["name"]
    files = [str(write(tmp_path / name, calls)) for name, calls in (("real", real), ("emulated", emulated))]
    assert main(files) == 1
    method = "compute projects/*/global/networks"
    assert capsys.readouterr().out.splitlines() == [
        f"{method}: items[].mtu: only the real service has it",
        f"{method}: items[].name: only the emulator has it",
    ]
    assert main([files[0], files[0]]) == 0


def test_another_type_is_a_difference(project: EmulatedProject) -> None:
    emulated = calls_of(project)
    real = copy.deepcopy(emulated)
    next(one for one in real if one["path"].endswith("/global/networks"))["answer"]["items"][0]["name"] = 1
    found = differences(RecordedAnswers(tuple(real)), RecordedAnswers(tuple(emulated)))
    assert list(found) == ["compute projects/*/global/networks: items[].name: int, and str in the emulator"]


def test_versions_that_only_google_knows() -> None:
    cluster = {"location": "us-east1", "currentMasterVersion": "1.33.5-gke.1", "currentNodeVersion": "1.33.4-gke.2"}
    management = {"implementation": "TRAFFIC_DIRECTOR", "state": "ACTIVE"}
    states = {"projects/1/locations/us-east1/memberships/a": {"servicemesh": {"controlPlaneManagement": management}}}
    assert google_versions([{"answer": cluster}, {"answer": {"membershipStates": states}}, {"status": 404}]) == {
        "GKE in us-east1": "1.33.5-gke.1, nodes 1.33.4-gke.2",
        "mesh control plane of us-east1": "TRAFFIC_DIRECTOR, ACTIVE",
    }
