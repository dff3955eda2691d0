"""`mesh status`: what of its findings is reported, and how."""

import socket
from pathlib import Path

import pytest

from tests.cli.deployed_mesh import DeployedMesh


def test_people_are_told_of_problems_first(mesh: DeployedMesh) -> None:
    healthy = mesh.run("status").stdout
    assert "ok  " not in healthy
    assert healthy.splitlines()[-1].startswith("status: ")
    assert healthy.splitlines()[-1].endswith(" ok")
    mesh.remove("osaka", "DestinationRule")
    lines = mesh.run("status").stdout.splitlines()
    assert lines[1] == "osaka: matt-osaka-cluster-1"
    assert lines[2].split()[:4] == ["failure", "DestinationRule", "sample/helloworld:", "missing"]
    assert "Fleet" not in lines
    assert lines.index("Overview") > 2
    everything = mesh.run("status", "--all").stdout
    assert "Fleet" in everything.splitlines()
    assert "ok       feature servicemesh" in everything


def test_a_region_and_a_service(mesh: DeployedMesh) -> None:
    for region in ("tokyo", "osaka"):
        mesh.remove(region, "DestinationRule")
        mesh.remove(region, "AuthorizationPolicy", "default-deny")
    mesh.content["services"] = {"shop": {"image": "x/y:1", "port": 80}}
    failures = mesh.run_json("status", "--region", "osaka").findings("failure")
    assert {section for section, _ in failures} == {"osaka"}
    shop = set(mesh.run_json("status", "--region", "osaka", "--service", "shop").findings("failure"))
    assert ("osaka", "service shop") in shop
    assert ("osaka", "AuthorizationPolicy istio-system/default-deny") in shop
    assert ("osaka", "DestinationRule sample/helloworld") not in shop
    rows = mesh.run_json("status", "--region", "osaka").data["sections"][0]["rows"]
    assert [row[0] for row in rows] == ["osaka"]


@pytest.mark.parametrize(("option", "known"), [("--region", "tokyo, osaka, seoul"), ("--service", "helloworld")])
def test_what_an_option_names_has_to_be(mesh: DeployedMesh, option: str, known: str) -> None:
    result = mesh.run("status", option, "paris")
    assert result.returncode == 2
    assert f"there is no {option[2:]} paris" in result.stderr
    assert f"name one of: {known}" in result.stderr


def test_only_failures(mesh: DeployedMesh) -> None:
    answer = mesh.run_json("status", "--only-failures")
    assert (answer.status, answer.data["ok"], answer.findings()) == (0, True, {})
    assert mesh.run("status", "--only-failures").stdout.splitlines()[-1] == "status: no failures"
    mesh.remove("osaka", "DestinationRule")
    mesh.feature("multiclusteringress").update(state={"state": {"code": "WARNING"}})
    answer = mesh.run_json("status", "--only-failures")
    assert set(answer.findings()) == {("osaka", "DestinationRule sample/helloworld")}
    assert answer.status == 1


def test_watching_repeats_it(mesh: DeployedMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.app.time.sleep", pause)
    result = mesh.run("status", "--watch")
    assert result.returncode == 130
    assert pauses == [10, 10]
    assert result.stdout.count("\nstatus: ") == 2
    assert mesh.run("status", "--watch", "--json").returncode == 2


def test_metrics(mesh: DeployedMesh, tmp_path: Path) -> None:
    mesh.remove("osaka", "DestinationRule")
    file = tmp_path / "mesh.prom"
    assert mesh.run("status", "--prometheus", str(file)).returncode == 1
    lines = file.read_text(encoding="utf-8").splitlines()
    assert 'mesh_findings{command="status",state="failure"} 1' in lines
    where = 'section="osaka: matt-osaka-cluster-1",name="DestinationRule sample/helloworld",state="failure"'
    assert f'mesh_problem{{command="status",{where}}} 1' in lines
    assert [one for one in tmp_path.iterdir() if one.name.startswith(".")] == []
    result = mesh.run("status", "--prometheus", "/nowhere/mesh.prom")
    assert "can't write /nowhere/mesh.prom" in result.stderr


def test_an_api_server_that_hangs_is_called_that(mesh: DeployedMesh) -> None:
    """It takes connections, so the caller's network is authorized."""
    mesh.clusters["osaka"]["hangs"] = True
    with socket.create_server(("127.0.0.1", 0)) as server:
        mesh.cluster("osaka")["endpoint"] = f"127.0.0.1:{server.getsockname()[1]}"
        [(where, finding)] = mesh.run_json("status").findings("failure").items()
    assert where == ("osaka", "API server")
    assert finding["text"] == "it accepts connections, and hangs: no response within 10 s"
    assert finding["fix"] == "gcloud container operations list --location asia-northeast2 --project test-project"


def test_an_extension_of_an_api_server_may_be_down(mesh: DeployedMesh) -> None:
    """As metrics-server: kubectl lists the kinds of all others, and fails."""
    mesh.clusters["osaka"]["extension_down"] = True
    assert mesh.run_json("status").status == 0


def test_an_api_server_that_takes_no_connection(mesh: DeployedMesh) -> None:
    mesh.clusters["osaka"]["hangs"] = True
    with socket.create_server(("127.0.0.1", 0)) as server:
        mesh.cluster("osaka")["endpoint"] = f"127.0.0.1:{server.getsockname()[1]}"
    [finding] = mesh.run_json("status").findings("failure").values()
    assert "MESH_OPERATOR_ADDRESS" in finding["fix"]
