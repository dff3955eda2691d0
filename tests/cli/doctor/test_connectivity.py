"""`mesh doctor`: whether this machine reaches the control planes."""

from ipaddress import IPv4Address

import pytest

from cli.doctor import connectivity
from cli.report.findings import FindingState
from tests.cli.doctor.diagnosis import CONFIGURATION, OSAKA, TOKYO, configure, diagnose
from tests.cli.emulated_project import EmulatedProject
from tests.synthesized import environment_of


def test_pods_that_watch_a_control_plane_may_come_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one in Osaka from which somebody deploys: its own cluster admits it by itself, Tokyo's as a watcher."""
    text = CONFIGURATION.replace("endpoint: public", "endpoint: private")
    monkeypatch.setattr(connectivity, "_route_to", lambda _: IPv4Address("10.32.0.9"))
    for mode, state in (("asmcli-managed", FindingState.WARNING), ("asmcli-in-cluster", FindingState.OK)):
        environment = environment_of(text.replace("mesh:", f"mesh:\n  control_plane: {mode}"))
        first, *_ = connectivity.check(environment, connectivity.try_all(environment, {}))
        assert first.state is state
    assert "10.32.0.9 may come to every private address" in first.text


def test_an_address_that_is_not_admitted(project: EmulatedProject) -> None:
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    assert found.bad() == ["authorized networks"]
    assert found.of("authorized networks") == (
        "failure",
        "this machine, 198.51.100.9, is in none of 203.0.113.0/24 (office): no control plane would let it in",
        "export MESH_OPERATOR_ADDRESS=198.51.100.9/32",
    )
    fixed = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9", MESH_OPERATOR_ADDRESS="198.51.100.9/32")
    assert fixed.of("authorized networks") == ("ok", "198.51.100.9 is in 198.51.100.9/32 (operator)", "")


def test_the_next_deploy_would_shut_us_out(project: EmulatedProject) -> None:
    project.make_cluster("tokyo", "198.51.100.9/32", "203.0.113.0/24")
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    state, text, fix = found.of("authorized networks")
    assert (state, fix) == ("failure", "export MESH_OPERATOR_ADDRESS=198.51.100.9/32")
    assert text.endswith("clusters admit it now, and the next deploy ends that")


def test_reached_from_another_address_than_the_observed_one(project: EmulatedProject) -> None:
    project.deploy()
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    assert found.of("authorized networks")[0] == "warning"
    assert found.status == 0


@pytest.mark.parametrize(
    ("admitted", "observed", "state", "fix"),
    [
        ("203.0.113.0/24", "203.0.113.9", "failure", "see what is in between: curl --insecure --max-time 5 https://"),
        ("192.0.2.0/24", "203.0.113.9", "warning", "cdktf deploy network clusters"),
        (
            "192.0.2.0/24",
            "198.51.100.9",
            "failure",
            "export MESH_OPERATOR_ADDRESS=198.51.100.9/32 && cdktf deploy network clusters",
        ),
        (
            "192.0.2.0/24",
            "nonsense",
            "failure",
            "export MESH_OPERATOR_ADDRESS=YOUR_ADDRESS/32 && cdktf deploy network clusters",
        ),
    ],
)
def test_a_control_plane_that_is_not_reached(
    project: EmulatedProject, admitted: str, observed: str, state: str, fix: str
) -> None:
    project.make_cluster("tokyo", admitted)
    host = project.planes.hosts[TOKYO]
    project.planes.stop(TOKYO, "")
    found = diagnose(project, MESH_OBSERVED_ADDRESS=observed)
    assert found.of("control plane of tokyo")[0] == state
    assert f"is not reached at {host}: Connection refused" in found.of("control plane of tokyo")[1]
    assert found.of("control plane of tokyo")[2].startswith(fix)
    assert "tokyo: remote secrets" not in found.findings


def test_an_address_that_can_not_be_found_out(project: EmulatedProject) -> None:
    for variables, reason in (
        ({"MESH_OBSERVED_ADDRESS": "2001:db8::1"}, "MESH_OBSERVED_ADDRESS is no IPv4 address: '2001:db8::1'"),
        (
            {"MESH_OBSERVED_ADDRESS": "", "HTTPS_PROXY": "http://127.0.0.1:9"},
            "HTTPS_PROXY is set, and control planes see the proxy's address",
        ),
    ):
        found = diagnose(project, **variables)
        state, text, fix = found.of("authorized networks")
        assert (state, fix) == ("warning", "export MESH_OBSERVED_ADDRESS=YOUR_ADDRESS && mesh doctor")
        assert text == f"not compared with this machine's address: {reason}"
        assert found.status == 0


def test_the_dns_endpoint_needs_no_list(project: EmulatedProject) -> None:
    configure(project, "endpoint: public", "endpoint: dns")
    project.deploy()
    found = diagnose(project, MESH_OBSERVED_ADDRESS="198.51.100.9")
    assert found.of("authorized networks") == ("ok", "are not asked for at the DNS endpoint, where IAM decides", "")
    assert found.status == 0
    project.planes.stop(OSAKA, "")
    state, _, fix = diagnose(project).of("control plane of osaka")
    assert (state, fix.partition(":")[0]) == ("failure", "see what is in between")


def test_the_private_endpoint_is_for_machines_inside(project: EmulatedProject) -> None:
    configure(project, "endpoint: public", "endpoint: private")
    project.deploy()
    found = diagnose(project)
    text = "127.0.0.1 is in none, and gets to tokyo, osaka all the same"
    assert found.of("authorized networks") == ("ok", text, "")
    project.planes.stop(TOKYO, "")
    found = diagnose(project)
    state, text, fix = found.of("authorized networks")
    assert (state, text) == ("warning", "this machine has 127.0.0.1 on its way to tokyo, osaka, which is in none")
    assert fix.startswith("deploy from a machine in the VPC")
    assert found.of("control plane of tokyo")[0] == "failure"


def test_a_cluster_that_is_being_made(project: EmulatedProject) -> None:
    cluster = project.make_cluster("tokyo")
    cluster.update(status="PROVISIONING", endpoint="")
    state, text, fix = diagnose(project).of("control plane of tokyo")
    assert (state, fix) == ("warning", "cdktf deploy network clusters")
    assert text == "has no such endpoint; the cluster is PROVISIONING"
