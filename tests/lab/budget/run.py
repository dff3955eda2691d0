"""The series of the budget: each run injects faults under load, ends them, and appends what clients saw."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from config.demo import CLIENT_APP, DEMO_NAMESPACE
from tests.lab.budget.curve import COLUMNS as CURVE_COLUMNS
from tests.lab.budget.curve import DEFAULT, cells, is_within_budget
from tests.lab.budget.faults import (
    GATEWAYS_KILLED,
    HEALTHY,
    ISTIOD_GONE,
    NAMESPACE,
    REGION_CUT_OFF,
    REGION_FAULTS,
    RETURNS_503,
    SERVICE_FAULTS,
    region_fault,
    service_fault,
)
from tests.lab.budget.limits import (
    DRAIN_LIMITS,
    LOAD_BALANCER,
    LONG_FAULT_RATE,
    LONG_FAULT_SECONDS,
    OTHER_REGION,
    SIDECAR,
    Limits,
    limits,
)
from tests.lab.budget.load import Load, Response, now
from tests.lab.budget.measurement import (
    AND,
    CURVE,
    DRAIN,
    DRAWN,
    PAIRS,
    REGIONS,
    SERVICES,
    Fault,
    Measurement,
    evaluate,
    timeline,
)
from tests.lab.budget.mesh import BudgetMesh, ClientKey, Plan
from tests.lab.budget.options import Options
from tests.lab.budget.results import Results
from tests.lab.budget.summary import COLUMNS, Row, rows, sum_limits
from tests.reporting.report import Report
from tests.reporting.table import Table

if TYPE_CHECKING:  # unit tests do not need the lab's packages
    from tests.local_mesh.environment import LocalMesh

RATE = 20
"""Requests a second from each client to each service, while faults are measured."""

DRAIN_RATE, MOST_DRAIN_RATE = 100, 600
"""Requests a second while a region is drained: from each of the two clients of a region, and at most from all clients
together, which is what two cores carry."""

LEAD_SECONDS = 2.0
FAULT_SECONDS = (5.0, 7.0, 9.0)
"""Durations of services' faults, in turn: the failback time depends on how much of an ejection is left."""

RECOVERY_SECONDS = 13.0
"""How long a failback is observed: longer than the budget allows."""

REGION_SECONDS = {REGION_CUT_OFF: 6.0, GATEWAYS_KILLED: 6.0, ISTIOD_GONE: 4.0}
REGION_RECOVERY_SECONDS = 4.0
DRAIN_SECONDS = 10.0
CURVE_RECOVERY_SECONDS = 60.0
SETTLE_SECONDS = 60.0
SETTLE_RATE = 5

RUN_SECONDS = {SERVICES: 24, REGIONS: 40, PAIRS: 100, DRAIN: 22, CURVE: 370}
"""About how long a run takes, for the expected duration."""

TITLES = {
    SERVICES: "Faults of a service in one region",
    REGIONS: "Faults of a region",
    DRAIN: "Drain of a region",
    PAIRS: "Two faults at once",
    CURVE: "Five minutes of errors, with different numbers of outlier detection",
}


class Budget:
    """Measures the failover budget in a running lab."""

    def __init__(
        self,
        mesh: BudgetMesh,
        results: Results,
        options: Options,
        *,
        services: Sequence[str],
        numbers: str,
        drain: Callable[[], None],
        undrain: Callable[[], None],
        report: Report,
    ) -> None:
        """Prepare it.

        Args:
            mesh: with its services and its load balancer.
            results: measured so far.
            options: what is measured.
            services: their names.
            numbers: of outlier detection.
            drain: drains the last region.
            undrain: ends that.
            report: of the figures.
        """
        self._mesh, self._results, self._options, self._numbers = mesh, results, options, numbers
        self._services = services
        self._drain, self._undrain, self._report = drain, undrain, report
        self._regions = list(mesh.lab.regions)
        self._home = self._regions[-1]  # not that of the config cluster
        self._other = self._regions[0]

    @property
    def _lab(self) -> "LocalMesh":
        return self._mesh.lab

    def measure(self) -> None:
        """Do the runs that are missing, and report all figures.

        Raises:
            LocalMeshError: a program failed.
        """
        work = {
            SERVICES: self._run_services,
            REGIONS: self._run_regions,
            PAIRS: self._run_pairs,
            DRAIN: self._run_drain,
            CURVE: self._run_curve,
        }
        seconds = sum(RUN_SECONDS[series] * self._missing(series) for series in self._options.runs)
        self._report.progress(f"measuring takes about {seconds / 60:.0f} min")
        self._settle()
        for series, wanted in self._options.runs.items():
            for run in range(wanted - self._missing(series) + 1, wanted + 1):
                self._report.progress(f"{TITLES[series]}: run {run} of {wanted}")
                work[series](run)
                self._lab.check()
                self._mesh.load_balancer.check()
            self._report.add(self._table(series))

    def _missing(self, series: str) -> int:
        return self._options.missing(series, self._results, len(self._regions), self._numbers)

    def _table(self, series: str) -> Table:
        found = self._results.of(series, len(self._regions), self._numbers)
        if series == CURVE:
            table = Table(TITLES[series], CURVE_COLUMNS)
            for one in found:
                table.add(*cells(one), ok=is_within_budget(one))
            return table
        table = Table(TITLES[series], COLUMNS)
        for row in rows(found):
            table.add(*row.cells(), ok=row.is_within(self._limits(series, row)))
        return table

    def _limits(self, series: str, row: Row) -> Limits:
        if series == DRAIN:
            return DRAIN_LIMITS
        if series == PAIRS:
            return sum_limits(row, self._results)
        return limits(row.fault, row.client)

    def _settle(self) -> None:
        """Send requests until every region serves its own, or for a minute."""
        deadline = time.monotonic() + SETTLE_SECONDS
        plan = self._all_clients(self._services, SETTLE_RATE)
        while time.monotonic() < deadline:
            with self._mesh.clients(plan) as loads:
                time.sleep(2)
            if all(
                one.version == key
                for (_, key), load in loads.items()
                for responses in load.responses.values()
                for one in responses[len(responses) // 2 :]
            ):
                return

    def _run_services(self, run: int) -> None:
        self._measure_services(SERVICES, run, None)

    def _run_pairs(self, run: int) -> None:
        """Inject each fault of a service together with each fault of a region, and with a drain."""
        others = [self._region_fault(name) for name in (GATEWAYS_KILLED, ISTIOD_GONE)]
        if len(self._regions) > 2:  # with two, nothing could serve
            others.append(region_fault(REGION_CUT_OFF, self._lab, self._regions[1]))
        for other in (*others, self._drain_fault()):
            self._measure_services(PAIRS, run, other)

    def _measure_services(self, series: str, run: int, also: Fault | None) -> None:
        client = self._lab.pod(self._home, DEMO_NAMESPACE, CLIENT_APP)
        faults = {
            name: service_fault(name, name, self._lab.regions[self._home], client)
            for name in SERVICE_FAULTS
            if fnmatch(name, self._options.only)
        }
        if not faults:
            return
        seconds = FAULT_SECONDS[run % len(FAULT_SECONDS)]
        self._measure(series, run, faults, seconds=seconds, recovery=RECOVERY_SECONDS, also=also)

    def _run_regions(self, run: int) -> None:
        for name in REGION_FAULTS:
            if fnmatch(name, self._options.only):
                fault = self._region_fault(name)
                seconds, recovery = REGION_SECONDS[name], REGION_RECOVERY_SECONDS
                self._measure(REGIONS, run, {HEALTHY: fault}, seconds=seconds, recovery=recovery)

    def _region_fault(self, name: str) -> Fault:
        return region_fault(name, self._lab, self._home)

    def _drain_fault(self) -> Fault:
        pods = {pod.name for pod in self._lab.regions[self._home].agent.pods(NAMESPACE, HEALTHY)}
        return Fault(DRAIN, self._drain, self._undrain, pods)

    def _run_drain(self, run: int) -> None:
        rate = min(DRAIN_RATE, MOST_DRAIN_RATE // (2 * len(self._regions)))
        plan = self._all_clients([HEALTHY], rate)
        fault = {HEALTHY: self._drain_fault()}
        self._measure(DRAIN, run, fault, seconds=DRAIN_SECONDS, recovery=REGION_RECOVERY_SECONDS, plan=plan)

    def _run_curve(self, run: int) -> None:
        home = self._lab.regions[self._home]
        client = self._lab.pod(self._home, DEMO_NAMESPACE, CLIENT_APP)
        faults = {name: replace(service_fault(RETURNS_503, name, home, client), name=name) for name in self._services}
        plan = {
            (SIDECAR, self._home): (self._services, RATE),
            (LOAD_BALANCER, self._home): ([DEFAULT], LONG_FAULT_RATE),
        }
        self._measure(CURVE, run, faults, seconds=LONG_FAULT_SECONDS, recovery=CURVE_RECOVERY_SECONDS, plan=plan)

    def _all_clients(self, services: Sequence[str], rate: int) -> Plan:
        return {(client, key): (services, rate) for client in (SIDECAR, LOAD_BALANCER) for key in self._regions}

    def _measure(
        self,
        series: str,
        run: int,
        faults: Mapping[str, Fault],
        *,
        seconds: float,
        recovery: float,
        also: Fault | None = None,
        plan: Plan | None = None,
    ) -> None:
        """Inject faults at the same time, each into its own service, end them, and append the figures.

        Args:
            series: name.
            run: its number.
            faults: by service.
            seconds: how long they last.
            recovery: seconds of observation after their end.
            also: another fault at the same time.
            plan: of the clients; if absent, those of the region with the faults, and one in another region.
        """
        if plan is None:
            keys = ((SIDECAR, self._home), (LOAD_BALANCER, self._home), (SIDECAR, self._other))
            plan = {key: (list(faults), RATE) for key in keys}
        every = [*faults.values(), *([] if also is None else [also])]
        with self._mesh.clients(plan) as loads, ThreadPoolExecutor(len(every)) as pool:
            time.sleep(LEAD_SECONDS)
            began = time.monotonic()
            failed_at = dict(zip(faults, pool.map(_inject, every), strict=False))
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            ended_at = dict(zip(faults, pool.map(_end, every), strict=False))
            time.sleep(recovery)
        drawn = run == 1 and series in DRAWN
        self._results.append(
            Measurement(
                series,
                len(self._regions),
                run,
                fault.name if also is None else f"{fault.name}{AND}{also.name}",
                client,
                self._home,
                self._numbers,
                evaluate(
                    responses,
                    failed_at=failed_at[name],
                    ended_at=ended_at[name],
                    home=None if client == OTHER_REGION else self._home,
                    pods=() if client == OTHER_REGION else fault.pods,
                ),
                timeline(responses, failed_at[name], ended_at[name]) if drawn and client != OTHER_REGION else None,
            )
            for name, fault in faults.items()
            for client, responses in _responses(loads, name, self._home).items()
        )


def _responses(loads: Mapping[ClientKey, Load], service: str, home: str) -> dict[str, list[Response]]:
    """Return the responses of a service by client; those of all clients in other regions together."""
    found: dict[str, list[Response]] = {}
    for (client, region), load in loads.items():
        if service in load.responses:
            found.setdefault(client if region == home else OTHER_REGION, []).extend(load.responses[service])
    return {client: sorted(responses, key=lambda one: one.sent) for client, responses in found.items()}


def _inject(fault: Fault) -> float:
    """Inject a fault, and return when that began."""
    began = now()
    fault.inject()
    return began


def _end(fault: Fault) -> float:
    """End a fault, and return when it has ended."""
    fault.end()
    return now()
