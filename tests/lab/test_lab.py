"""What the lab makes of what it sees; the lab itself is `make lab`."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.traffic.outage import start_of_last_run
from config.synthesized import kubernetes_objects
from tests.lab.authorization import _all, _without_certificate, _without_right, with_strangers
from tests.lab.demo import LabDemo
from tests.lab.environments import steps_of, with_regions
from tests.lab.responses import _count
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.traffic import Response, tally
from tests.reporting.table import Table
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, load_without_variables

LOCAL, REMOTE = "version: v1, instance: a", "version: v2, instance: b"


def answers(*bodies: str, status: int = 200) -> list[Response]:
    return [Response(float(index), 0.01, status, body) for index, body in enumerate(bodies)]


def test_a_table_is_right_only_if_something_was_measured_and_all_of_it_is_right() -> None:
    table = Table("title", ["from", "requests"])
    assert not table.ok
    table.add("tokyo", 10, ok=True)
    assert table.ok
    assert str(table).splitlines() == ["title", "  from   requests", "  tokyo        10  ok"]
    table.add("osaka", 7, ok=False)
    assert not table.ok
    assert "WRONG" in str(table)
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        table.add("seoul", ok=True)


def test_answers_are_counted_by_version_status_or_their_absence() -> None:
    found = [*answers(LOCAL, LOCAL, REMOTE), *answers("sick", status=503), *answers("", status=0)]
    assert tally(found) == {"v1": 2, "v2": 1, "503": 1, "no answer": 1}


@pytest.mark.parametrize(
    ("region", "found", "expected"),
    [
        ("tokyo", answers(LOCAL, LOCAL), (2, 0, 0, True)),
        ("tokyo", answers(LOCAL, REMOTE), (1, 1, 0, False)),
        ("tokyo", [*answers(LOCAL), *answers(LOCAL, status=503)], (1, 0, 1, False)),
        ("tokyo", [], (0, 0, 0, False)),
        ("nowhere", answers(LOCAL, REMOTE), (0, 2, 0, True)),
        ("nowhere", answers("", status=0), (0, 0, 1, False)),
    ],
)
def test_local_answers(region: str, found: list[Response], expected: tuple[int, int, int, bool]) -> None:
    demo = cast(LabDemo, SimpleNamespace(versions={"tokyo": "v1", "osaka": "v2"}))
    assert _count(demo, region, found) == expected


def test_home_again_is_when_the_last_run_of_local_answers_begins() -> None:
    found = answers(LOCAL, REMOTE, LOCAL, LOCAL)
    assert start_of_last_run(found, lambda answer: answer.version == "v1") == 2.0
    assert start_of_last_run(answers(LOCAL, REMOTE), lambda answer: answer.version == "v1") is None
    assert start_of_last_run([], lambda answer: True) is None


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
    with pytest.raises(LocalMeshError, match="no more than 10 regions"):
        with_regions(REFERENCE, 40, {})


def test_the_steps_are_the_demos_switches() -> None:
    off: dict[str, Any] = {"enabled": False, "failover": False}
    environment = load_without_variables(REFERENCE)
    environment = environment.model_copy(update={"demo": environment.demo.model_copy(update=off)})
    steps = steps_of(environment)
    assert [(step.demo.enabled, step.demo.failover, step.ingress.enabled) for step in (steps.a, steps.b, steps.c)] == [
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ]


def test_the_lab_applies_what_the_project_renders(reference: Synthesis) -> None:
    found = [(region, one) for _, region, one in kubernetes_objects(reference.stacks["ingress"])]
    assert {region for region, _ in found} == {"tokyo", "osaka"}
    assert ("osaka", "helloworld-v2") in {(region, one["metadata"]["name"]) for region, one in found}


def test_a_stranger_is_the_client_in_another_namespace(reference: Synthesis) -> None:
    given = {"tokyo": reference.objects("tokyo")}
    [(region, objects)] = with_strangers(given).items()
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
def test_who_is_to_be_refused(mtls: str, default_deny: bool, without_right: int, without_certificate: int) -> None:
    environment = load_without_variables(REFERENCE)
    mesh = environment.mesh.model_copy(update={"mtls": mtls, "default_deny": default_deny})
    said = environment.model_copy(update={"mesh": mesh})
    assert (_without_right(said), _without_certificate(said)) == (without_right, without_certificate)


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
def test_every_answer_has_to_be_the_refusal(statuses: list[int], expected: int, right: bool) -> None:
    assert _all([Response(0.0, 0.01, status, "") for status in statuses], expected) is right
