"""`mesh doctor`: whether this machine reaches the control planes."""

from ipaddress import IPv4Address

import pytest

from cli.doctor import connectivity
from cli.report.findings import FindingState
from tests.cli.doctor.diagnosis import OSAKA, TOKYO, expect, in_mode
from tests.cli.emulated_project import EmulatedProject
from tests.synthesized import environment_of

NETWORKS = "authorized networks"
ELSEWHERE = "198.51.100.9"
ADMIT_ELSEWHERE = f"export MESH_OPERATOR_ADDRESS={ELSEWHERE}/32"
DEPLOY = "cdktf deploy network clusters"


def test_pods_that_watch_a_control_plane_may_come_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one in Osaka from which somebody deploys: its own cluster admits it by itself, Tokyo's as a watcher."""
    monkeypatch.setattr(connectivity, "_route_to", lambda _: IPv4Address("10.32.0.9"))
    for mode, state in (("asmcli-managed", FindingState.WARNING), ("asmcli-in-cluster", FindingState.OK)):
        environment = environment_of(in_mode(mode).replace("endpoint: public", "endpoint: private"))
        first, *_ = connectivity.check(environment, connectivity.try_all(environment, {}))
        assert first.state is state
    assert "10.32.0.9 is authorized at every private endpoint" in first.text


def test_an_address_that_is_not_admitted(project: EmulatedProject) -> None:
    project.variables["MESH_OBSERVED_ADDRESS"] = ELSEWHERE
    text = (
        f"this machine's address {ELSEWHERE} is in none of 203.0.113.0/24 (office): the control planes will refuse ..."
    )
    assert expect(project, NETWORKS, "failure", text, ADMIT_ELSEWHERE).bad() == [NETWORKS]
    text = f"this machine's address {ELSEWHERE} is in {ELSEWHERE}/32 (operator)"
    expect(project, NETWORKS, "ok", text, MESH_OPERATOR_ADDRESS=f"{ELSEWHERE}/32")


def test_the_next_deploy_would_shut_us_out(project: EmulatedProject) -> None:
    project.make_cluster("tokyo", f"{ELSEWHERE}/32", "203.0.113.0/24")
    text = "...clusters authorize it now, and the next deploy removes it"
    expect(project, NETWORKS, "failure", text, ADMIT_ELSEWHERE, MESH_OBSERVED_ADDRESS=ELSEWHERE)


def test_reached_from_another_address_than_the_observed_one(project: EmulatedProject) -> None:
    project.deploy()
    found = expect(project, NETWORKS, "warning", "...", "...", MESH_OBSERVED_ADDRESS=ELSEWHERE)
    assert found.status == 0


@pytest.mark.parametrize(
    ("admitted", "observed", "state", "fix"),
    [
        (
            "203.0.113.0/24",
            "203.0.113.9",
            "failure",
            "check the network between this machine and the endpoint: curl --insecure --max-time 5 https://",
        ),
        ("192.0.2.0/24", "203.0.113.9", "warning", DEPLOY),
        ("192.0.2.0/24", ELSEWHERE, "failure", f"{ADMIT_ELSEWHERE} && {DEPLOY}"),
        ("192.0.2.0/24", "nonsense", "failure", f"export MESH_OPERATOR_ADDRESS=YOUR_ADDRESS/32 && {DEPLOY}"),
    ],
)
def test_a_control_plane_that_is_not_reached(
    project: EmulatedProject, admitted: str, observed: str, state: str, fix: str
) -> None:
    project.make_cluster("tokyo", admitted)
    text = f"...unreachable at {project.planes.hosts[TOKYO]}: Connection refused..."
    project.planes.stop(TOKYO, "")
    found = expect(project, "control plane of tokyo", state, text, f"{fix}...", MESH_OBSERVED_ADDRESS=observed)
    assert "tokyo: remote secrets" not in found.findings


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"MESH_OBSERVED_ADDRESS": "2001:db8::1"}, "MESH_OBSERVED_ADDRESS is not an IPv4 address: '2001:db8::1'"),
        (
            {"MESH_OBSERVED_ADDRESS": "", "HTTPS_PROXY": "http://127.0.0.1:9"},
            "HTTPS_PROXY is set, and the control planes see the address of the proxy",
        ),
    ],
    ids=["IPv6", "proxy"],
)
def test_an_address_that_can_not_be_found_out(project: EmulatedProject, variables: dict[str, str], reason: str) -> None:
    text, fix = "not compared with this machine's address: ", "export MESH_OBSERVED_ADDRESS=YOUR_ADDRESS && mesh doctor"
    assert expect(project, NETWORKS, "warning", text + reason, fix, **variables).status == 0


def test_the_dns_endpoint_needs_no_list(project: EmulatedProject) -> None:
    project.configure("endpoint: public", "endpoint: dns")
    project.deploy()
    text = "not required: IAM authorizes requests to DNS endpoints"
    assert expect(project, NETWORKS, "ok", text, MESH_OBSERVED_ADDRESS=ELSEWHERE).status == 0
    project.planes.stop(OSAKA, "")
    expect(
        project,
        "control plane of osaka",
        "failure",
        "...",
        "check the network between this machine and the endpoint:...",
    )


def test_the_private_endpoint_is_for_machines_inside(project: EmulatedProject) -> None:
    project.configure("endpoint: public", "endpoint: private")
    project.deploy()
    expect(
        project,
        NETWORKS,
        "ok",
        "this machine's address 127.0.0.1 is in none, but the endpoints of tokyo, osaka are reachable",
    )
    project.planes.stop(TOKYO, "")
    text = "this machine's address on the route to tokyo, osaka, 127.0.0.1, is in none"
    found = expect(project, NETWORKS, "warning", text, "deploy from a machine in the VPC...")
    assert found.of("control plane of tokyo")[0] == "failure"


def test_a_cluster_that_is_being_made(project: EmulatedProject) -> None:
    project.make_cluster("tokyo").update(status="PROVISIONING", endpoint="")
    text = "the cluster does not have the configured endpoint; its status is PROVISIONING"
    expect(project, "control plane of tokyo", "warning", text, DEPLOY)
