"""The evaluation of the failover budget's measurements; the measurements themselves are `make lab BUDGET=1`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.budget import curve, page
from tests.lab.budget.faults import HANGING, HEALTHY, ISTIOD_GONE, REGION_FAULTS, RETURNS_503, SERVICE_FAULTS
from tests.lab.budget.limits import HANGING_TIMEOUT_SECONDS, LOAD_BALANCER, OTHER_REGION, SIDECAR, budget, limits
from tests.lab.budget.load import Response, Target, parse
from tests.lab.budget.measurement import (
    AND,
    CURVE,
    DRAIN,
    PAIRS,
    REGIONS,
    SERVICES,
    Measurement,
    Outage,
    Timeline,
    evaluate,
    timeline,
)
from tests.lab.budget.mesh import read_services, with_budget_services, with_drained
from tests.lab.budget.options import SMALL, Options
from tests.lab.budget.results import Results
from tests.lab.budget.summary import Row, percentile, rows, spread, sum_limits
from tests.lab.environments import with_regions
from tests.synthesized import REFERENCE

HOME, OTHER = "osaka", "tokyo"
NUMBERS = "5 errors, interval 1s, ejection 5s"
OUTAGE = Outage(0.3, 5, 100, 0.1, 0.0, 4.0, 0, 200)


def respond(every: str, start: float = 0.0) -> list[Response]:
    """Return ten responses a second: ``h`` from home, ``o`` from the other region, ``x`` is a failure."""
    return [
        Response(
            start + index / 10,
            0.01,
            503 if one == "x" else 200,
            {"h": HOME, "o": OTHER, "x": ""}[one],
            {"h": "pod", "o": "another", "x": ""}[one],
        )
        for index, one in enumerate(every)
    ]


def outage(every: str, *, failed_at: float = 1.0, ended_at: float = 6.0, pods: Sequence[str] = ("pod",)) -> Outage:
    return evaluate(respond(every), failed_at=failed_at, ended_at=ended_at, home=HOME, pods=pods)


def test_an_outage_has_a_failover_and_a_failback() -> None:
    found = outage("h" * 10 + "x" * 5 + "o" * 45 + "o" * 20 + "h" * 30)
    assert found == Outage(
        failover=0.5,
        failed=5,
        sent=50,
        slowest=0.01,
        longest_ejection=4.6,
        failback=2.0,
        errors=0,
        sent_after=50,
    )


def test_errors_after_an_ejection_count_and_do_not_delay_the_failover() -> None:
    found = outage("h" * 10 + "x" * 5 + "o" * 30 + "x" * 5 + "o" * 10 + "x" * 2 + "h" * 20)
    assert (found.failover, found.failed, found.errors) == (0.5, 10, 2)
    assert found.longest_ejection == pytest.approx(3.1)


@pytest.mark.parametrize(
    ("every", "failover", "failback"),
    [
        ("h" * 100, None, 0.0),  # the faulty pod goes on serving
        ("o" * 100, 0.0, None),
        ("h" * 10 + "x" * 90, None, None),
        ("h" * 10 + "o" * 50 + "h" * 20 + "o", 0.0, None),
        ("h" * 10 + "o" * 50, 0.0, None),  # nothing was sent after the end
    ],
)
def test_states_that_do_not_come(every: str, failover: float | None, failback: float | None) -> None:
    found = outage(every)
    assert (found.failover, found.failback) == (failover, failback)


def test_a_fault_that_no_pod_has_ends_no_response() -> None:
    assert outage("h" * 100, pods=()).failover == 0.0


def test_one_of_three_pods_is_back_when_it_serves_again() -> None:
    before = [replace(one, instance="faulty") for one in respond("h" * 10)]
    others = respond("h" * 70, start=1.0)
    again = [replace(one, instance="faulty") for one in respond("h" * 20, start=8.0)]
    found = evaluate([*before, *others, *again], failed_at=1.0, ended_at=6.0, home=HOME, pods={"faulty"})
    assert (found.failover, found.failback) == (0.0, 2.0)


def test_a_timeline_counts_requests_by_region() -> None:
    assert timeline(respond("hhhhh" + "xxxoo"), failed_at=0.5, ended_at=1.0) == Timeline(
        -0.5, 0.5, {"failed": [0, 0, 3, 0], HOME: [3, 2, 0, 0], OTHER: [0, 0, 0, 2]}
    )


def test_a_row_of_vegeta() -> None:
    body = "SGVsbG8gdmVyc2lvbjogb3Nha2EsIGluc3RhbmNlOiBwb2QtMQo="
    row = ["1500000000000000000", "200", "12000000", "0", "40", "", body, "", "7", "GET", "http://10.0.0.1:8080/slow"]
    assert parse([*row, ""]) == ("slow", Response(1500000000.0, 0.012, 200, "osaka", "pod-1"))
    row[1], row[6] = "503", ""
    assert parse([*row, ""])[1] == Response(1500000000.0, 0.012, 503, "", "")
    assert str(Target("slow", "10.0.0.1:8080", "slow.budget:8080")).splitlines() == [
        "GET http://10.0.0.1:8080/slow",
        "Host: slow.budget:8080",
    ]


def measure(
    series: str = SERVICES, run: int = 1, fault: str = RETURNS_503, client: str = SIDECAR, found: Outage = OUTAGE
) -> Measurement:
    line = Timeline(-0.5, 5.0, {HOME: [5, 0, 0], OTHER: [0, 0, 5], "failed": [0, 5, 0]}) if run == 1 else None
    return Measurement(series, 2, run, fault, client, HOME, NUMBERS, found, line)


def test_results_survive_and_count_by_numbers(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "results.jsonl"
    results = Results(file)
    assert results.last_run(SERVICES, 2, NUMBERS) == 0
    results.append([measure(), measure(run=2)])
    again = Results(file)
    assert again.of(SERVICES, 2, NUMBERS) == [measure(), measure(run=2)]
    assert again.last_run(SERVICES, 2, NUMBERS) == 2
    assert again.last_run(SERVICES, 2, "others") == again.last_run(SERVICES, 3, NUMBERS) == 0
    options = Options.build(SERVICES, 5, "*", 2)
    assert options.missing(SERVICES, again, 2, NUMBERS) == 3


def test_runs_and_services_of_a_command() -> None:
    everything = Options.build("all", None, "*", 2)
    assert everything.runs == {SERVICES: 30, REGIONS: 30, PAIRS: 3, DRAIN: 3}
    assert Options.build("all", None, "*", 4).runs == {SERVICES: 10, REGIONS: 10, PAIRS: 1, DRAIN: 1}
    assert Options.build(DRAIN, 7, "*", 6).runs == {DRAIN: 7}
    assert set(everything.services) == {*SERVICE_FAULTS, HEALTHY}
    assert set(Options.build(DRAIN, None, "*", 6).services) == {HEALTHY}
    assert curve.DEFAULT in Options.build(CURVE, None, "*", 2).services
    assert Options.build("all", None, "returns*", 2).file is None
    assert (everything.file is None, Options.build(SMALL, None, "*", 2).file) == (False, None)


def test_figures_of_many_runs() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.05), percentile(values, 0.95), percentile([1.0], 0.95)) == (5.0, 95.0, 1.0)
    assert spread(values) == "50.5, worst 100 (5 to 95)"
    assert spread([2.0, 2.0]) == "2"
    assert spread([2.0, None]) == "never in 1 of 2 runs"


@pytest.mark.parametrize(
    ("changed", "within"),
    [
        ({}, True),
        ({"failover": 2.1}, False),
        ({"failover": None}, False),
        ({"failed": 51}, False),
        ({"failback": 10.1}, False),
        ({"failback": None}, False),
        ({"errors": 1}, False),
        ({"sent": 0}, False),
    ],
)
def test_the_worst_run_is_within_the_budget(changed: dict[str, float | None], within: bool) -> None:
    worst = replace(OUTAGE, **changed)  # type: ignore[arg-type]
    row = Row([measure(), measure(run=2, found=worst)])
    assert row.is_within(limits(RETURNS_503, SIDECAR)) is within


@pytest.mark.parametrize("fault", [*SERVICE_FAULTS, *REGION_FAULTS])
def test_a_fault_must_not_reach_other_regions(fault: str) -> None:
    row = Row([measure(fault=fault, client=OTHER_REGION, found=replace(OUTAGE, failed=1))])
    assert not row.is_within(limits(fault, OTHER_REGION))
    assert Row([measure(found=replace(OUTAGE, failed=0))]).is_within(limits(fault, OTHER_REGION))


def test_limits_of_two_faults_are_the_sum(tmp_path: Path) -> None:
    both = measure(PAIRS, fault=f"{RETURNS_503}{AND}{ISTIOD_GONE}")
    results = Results(tmp_path / "results.jsonl")
    results.append([measure(), measure(run=2, found=replace(OUTAGE, failed=7)), measure(client=LOAD_BALANCER)])
    results.append([measure(REGIONS, fault=ISTIOD_GONE, found=replace(OUTAGE, failed=2)), both])
    [row] = rows(results.of(PAIRS, 2, NUMBERS))
    assert sum_limits(row, results).failed == 9


def test_the_page_has_all_results(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.append([measure(), measure(run=2), measure(client=LOAD_BALANCER), measure(DRAIN, fault=DRAIN)])
    results.append([measure(REGIONS, fault=ISTIOD_GONE), measure(PAIRS, fault=f"{RETURNS_503}{AND}{ISTIOD_GONE}")])
    results.append(measure(CURVE, fault=f"curve-5-1-{number}") for number in (1, 5))
    text = page.update(page.PAGE.read_text(encoding="utf-8"), results)
    assert "| returns 503 | sidecar | 2 | 0.3 | 5 | 200 | 4 | 0 |" in text
    assert "2 regions (`make lab REGIONS=2 BUDGET=drain`)" in text
    assert "| 5 | 1 | 5 |" in text
    assert "| returns 503 and istiod gone | sidecar | 1 | 0.3 | 5 | 100 | 4 | 0 | 10 |" in text
    assert NUMBERS in text
    assert page.update(text, results) == text
    page.draw(results, tmp_path)
    drawn = {file.name: file.read_bytes() for file in tmp_path.glob("*.svg")}
    assert set(drawn) == {f"failover-{name}.svg" for name in ("services", "regions", "drain", "curve")}
    page.draw(results, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.svg")} == drawn


def test_the_page_keeps_the_tables_that_were_not_measured_again(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.append([measure(), measure(DRAIN, fault=DRAIN)])
    earlier = page.update(page.PAGE.read_text(encoding="utf-8"), results)
    later = Results(tmp_path / "later.jsonl")
    later.append([measure(found=replace(OUTAGE, failed=7))])
    text = page.update(earlier, later)
    assert "| returns 503 | sidecar | 1 | 0.3 | 7 | 100 | 4 | 0 |" in text
    assert "| drain | sidecar | 1 | 0.3 | 5 | 100 | 4 | 0 |" in text


def test_the_share_of_a_long_fault() -> None:
    good = measure(CURVE, fault=curve.RETRIED, found=replace(OUTAGE, failed=6, sent=6000))
    bad = measure(CURVE, fault=curve.RETRIED, found=replace(OUTAGE, failed=7, sent=6000))
    other = measure(CURVE, fault=curve.DEFAULT, found=replace(OUTAGE, failed=7, sent=6000))
    nothing = measure(CURVE, fault=curve.RETRIED, found=replace(OUTAGE, failed=0, sent=0))
    assert [curve.is_within_budget(one) for one in (good, bad, other, nothing)] == [True, False, True, False]
    assert curve.cells(replace(good, fault=curve.DEFAULT))[:6] == ("defaults", "", "", "20", "6", "0.100")


def test_the_services_of_the_faults() -> None:
    services = read_services()
    assert set(services) == {*SERVICE_FAULTS, HEALTHY}
    assert services[HANGING]["timeout_seconds"] == HANGING_TIMEOUT_SECONDS
    environment = with_budget_services(with_regions(REFERENCE, 3, os.environ), services)
    assert all(set(service.regions) == set(environment.regions) for service in environment.services.values())
    assert with_drained(environment, "osaka").regions["osaka"].drained


def test_the_services_of_the_curve_differ_in_their_numbers() -> None:
    environment = with_budget_services(with_regions(REFERENCE, 2, os.environ), curve.curve_services())
    numbers = [service.outlier_detection for service in environment.services.values()]
    assert len(numbers) == len(curve.VARIANTS) + 2
    assert all(one != other for one, other in pairwise(numbers[1:]))


def test_the_page_explains_every_fault_and_has_the_current_budget() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    for fault in (*SERVICE_FAULTS, *REGION_FAULTS):
        assert f"| {fault.replace('-', ' ')} | " in text
    assert page.table(("Figure", "Limit"), budget()) in text
