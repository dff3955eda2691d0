"""The lab's evaluation of responses; the lab itself is `make lab`."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.traffic.outage import start_of_last_run
from config.synthesized import kubernetes_objects
from tests.lab.authorization import (
    all_have_status,
    expect_unauthorized,
    expect_without_certificate,
    with_unauthorized_clients,
)
from tests.lab.demo import LabDemo
from tests.lab.environments import demo_steps, with_regions
from tests.lab.faults import ClientOutage, _summarize
from tests.lab.responses import _count
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.traffic import DemoResponse, tally
from tests.reporting.report import Report
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, load_without_variables

LOCAL, REMOTE = "version: v1, instance: a", "version: v2, instance: b"


def build_responses(*bodies: str, status: int = 200) -> list[DemoResponse]:
    return [DemoResponse(float(index), 0.01, status, body) for index, body in enumerate(bodies)]


def test_responses_are_counted_by_version_or_error() -> None:
    found = [
        *build_responses(LOCAL, LOCAL, REMOTE),
        *build_responses("unhealthy", status=503),
        *build_responses("", status=0),
    ]
    assert tally(found) == {"v1": 2, "v2": 1, "503": 1, "no response": 1}


@pytest.mark.parametrize(
    ("region", "found", "expected"),
    [
        ("tokyo", build_responses(LOCAL, LOCAL), (2, 0, 0, True)),
        ("tokyo", build_responses(LOCAL, REMOTE), (1, 1, 0, False)),
        ("tokyo", [*build_responses(LOCAL), *build_responses(LOCAL, status=503)], (1, 0, 1, False)),
        ("tokyo", [], (0, 0, 0, False)),
        ("nowhere", build_responses(LOCAL, REMOTE), (0, 2, 0, True)),
        ("nowhere", build_responses("", status=0), (0, 0, 1, False)),
    ],
)
def test_local_responses(region: str, found: list[DemoResponse], expected: tuple[int, int, int, bool]) -> None:
    demo = cast(LabDemo, SimpleNamespace(versions={"tokyo": "v1", "osaka": "v2"}))
    assert _count(demo, region, found) == expected


def test_failback_ends_when_the_last_run_of_local_responses_begins() -> None:
    found = build_responses(LOCAL, REMOTE, LOCAL, LOCAL)
    assert start_of_last_run(found, lambda response: response.version == "v1") == 2.0
    assert start_of_last_run(build_responses(LOCAL, REMOTE), lambda response: response.version == "v1") is None
    assert start_of_last_run([], lambda response: True) is None


@pytest.mark.parametrize("number", [2, 3, 6, 12])
def test_more_regions(number: int) -> None:
    environment = with_regions(REFERENCE, number, {})
    assert list(environment.regions)[:2] == ["tokyo", "osaka"]
    assert len(environment.regions) == number
    assert len({region.location for region in environment.resolved_regions()}) == number
    assert len(set(environment.demo.versions.values())) == number


def test_fewer_regions_keep_the_config_cluster() -> None:
    environment = with_regions(THREE_REGIONS, 2, {})
    assert set(environment.regions) == {"iowa", "tokyo"}
    assert set(environment.services["checkout"].regions) == {"iowa", "tokyo"}


def test_too_many_regions() -> None:
    with pytest.raises(LocalMeshError, match="at most 10 regions"):
        with_regions(REFERENCE, 40, {})


def test_the_steps_are_the_demos_switches() -> None:
    off: dict[str, Any] = {"enabled": False, "failover": False}
    environment = load_without_variables(REFERENCE)
    environment = environment.model_copy(update={"demo": environment.demo.model_copy(update=off)})
    steps = demo_steps(environment)
    assert [(step.demo.enabled, step.demo.failover, step.ingress.enabled) for step in (steps.a, steps.b, steps.c)] == [
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ]
    assert steps.drained_region == "osaka"
    assert steps.d.regions["osaka"].drained
    assert not steps.c.regions["osaka"].drained


def test_the_lab_applies_what_the_project_renders(reference: Synthesis) -> None:
    found = [(region, one) for _, region, one in kubernetes_objects(reference.stacks["ingress"])]
    assert {region for region, _ in found} == {"tokyo", "osaka"}
    assert ("osaka", "helloworld-v2") in {(region, one["metadata"]["name"]) for region, one in found}


def test_the_unauthorized_client_is_a_copy_in_another_namespace(reference: Synthesis) -> None:
    given = {"tokyo": reference.objects("tokyo")}
    [(region, objects)] = with_unauthorized_clients(given).items()
    added = [one for one in objects if one not in given[region]]
    assert {(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in added} == {
        ("Namespace", "elsewhere", None),
        ("ServiceAccount", "sleep", "elsewhere"),
        ("Deployment", "sleep", "elsewhere"),
    }
    # Its sidecar is injected as the other's is, and no policy names it.
    assert added[0]["metadata"]["labels"] == {"istio.io/rev": "asm-managed-stable"}
    assert "elsewhere" not in str(given)


@pytest.mark.parametrize(
    ("mtls", "default_deny", "without_right", "without_certificate"),
    [
        ("strict", True, 403, 0),
        ("strict", False, 200, 0),
        ("permissive", True, 403, 403),
        ("permissive", False, 200, 200),
    ],
)
def test_expected_status_of_unauthorized_requests(
    mtls: str, default_deny: bool, without_right: int, without_certificate: int
) -> None:
    environment = load_without_variables(REFERENCE)
    mesh = environment.mesh.model_copy(update={"mtls": mtls, "default_deny": default_deny})
    environment = environment.model_copy(update={"mesh": mesh})
    assert (expect_unauthorized(environment), expect_without_certificate(environment)) == (
        without_right,
        without_certificate,
    )


@pytest.mark.parametrize(
    ("statuses", "expected", "right"),
    [
        ([403, 403], 403, True),
        ([403, 200], 403, False),
        ([], 403, False),
        ([0], 0, True),
        ([503], 403, False),
    ],
)
def test_every_response_must_have_the_expected_status(statuses: list[int], expected: int, right: bool) -> None:
    assert all_have_status([DemoResponse(0.0, 0.01, status, "") for status in statuses], expected) is right


def outage(failed: int, failover: float | None, failback_errors: int = 0) -> ClientOutage:
    away = [*build_responses(*["x"] * failed, status=503), *build_responses(REMOTE)]
    back = [*build_responses(*["x"] * failback_errors, status=503), *build_responses(LOCAL)]
    return ClientOutage("client", away, back, failover, 3.0, steady=True)


def test_the_summary_has_the_key_figures_of_all_outages() -> None:
    report = Report("Lab", show=print, clock=lambda: 1.0)
    _summarize([outage(0, 0.2), outage(5, 1.1, failback_errors=2)], report)
    assert dict(re.split("  +", line.strip()) for line in report.summary().splitlines()[1:]) == {
        "Failover time": "0.2 to 1.1 s, from the fault to the first response from another region",
        "Failed requests": "5 of 7 during the faults, at most 5 for a client",
        "Errors during failback": "2 of 4 requests; failback time 3.0 to 3.0 s",
    }
    _summarize([outage(0, 0.2), outage(9, None)], report)
    assert "Failover time           none in 1 of 2 cases, from" in report.summary()
