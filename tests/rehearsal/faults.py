"""Faults, one at a time: does one plain re-run recover from each, or one after `mesh repair`?"""

import copy
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.naming import STACKS
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal import mesh_cli_check
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.day2 import FileChange
from tests.rehearsal.deployment import SYNTHESIZED, CommandRun
from tests.rehearsal.fault_injection import FaultInjection, count_steps
from tests.rehearsal.fault_wrappers import Call, FaultWrappers
from tests.rehearsal.injected_fault import (
    ACTIONS,
    ALL,
    CHANGE,
    DEPLOY,
    DESTROY,
    FaultSelection,
    InjectedFault,
    call_fault,
    read_faults,
)
from tests.rehearsal.snapshot import Snapshot, differences, take_snapshot
from tests.reporting.table import Table
from tools.next_command import ONE_STACK_ONLY

STAYS = "/services/| CustomResourceDefinition |/gsmrsvd-|/gke-.*-mcsd"
"""What a destroy leaves: APIs, as others may use them; Istio's CRDs, which are deleted with their cluster; and what a
mesh makes around one."""

SECONDS = 600
"""Timeout of a command; undisturbed ones take less than a minute."""

SECONDS_TO_SETTLE = 60
SECONDS_WITHOUT_CHANGE = 5

RECOVERED = "recovered"
REPAIRED = "recovered after mesh repair"
"""Results of a re-run: it succeeded; or it did after ``mesh repair --yes``."""

ALIKE = ("asmcli", "wait-for-crds.sh", "wait-for-load-balancer-cleanup.sh")
MOST_ALIKE = 3
"""Number of disturbed calls of scripts that repeat one call, and of asmcli, which is fake. `make rehearse-scripts
FAULTS=all` disturbs all, and is faster."""

SMALL_CALLS = (("create-remote-secret.sh", 3),)
"""Calls of scripts in the small set: one, as `make rehearse-scripts` disturbs all, and is faster."""


@dataclass
class FaultOutcome:
    """The result of a fault.

    Attributes:
        fault: the fault.
        happened: whether it happened at all.
        failed: whether the disturbed command failed.
        result: `RECOVERED`, `REPAIRED`, or the problem.
        seconds: duration of the disturbed command and the re-run.
        notes: messages.
    """

    fault: InjectedFault
    happened: bool
    failed: bool
    result: str
    seconds: float
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.happened and self.result in (RECOVERED, REPAIRED)


class FaultRehearsal:
    """Deploys and destroys an environment, stack by stack, with a fault each time.

    Every stack is deployed and destroyed once undisturbed; every disturbed run has to reach the
    same state.
    """

    def __init__(self, context: RehearsalContext, wrappers: FaultWrappers, selection: FaultSelection) -> None:
        self._context = context
        self._cloud = context.cloud
        self._deployment = context.deployment
        self._wrappers = wrappers
        self._selection = selection
        self._small = selection.small
        self._faults = read_faults(selection.small, context.environment, selection.seed)
        self._table = new_table()
        self._outcomes: list[FaultOutcome] = []
        self._steps: dict[tuple[str, str, int], int] = {}
        self._content = copy.deepcopy(context.deployment.content)

    def run(self) -> None:
        """Inject all selected faults.

        Raises:
            LocalMeshError: an undisturbed run failed, or left orphaned resources.
        """
        with self._context.report.filling(self._table):
            self._inject_all()

    def _inject_all(self) -> None:
        below = take_snapshot(self._cloud)
        for stack in self._stacks():
            self._context.report.progress(f"{stack}: deploy without a fault")
            above, calls_up = self._undisturbed(DEPLOY, stack)
            faults = [one for one in self._faults if one.stack == stack]
            if not self._selection.may_want(stack, self._faults):
                below = above
                continue
            if calls_up or any(one.verb == DESTROY for one in faults) or not self._small:
                gone, calls_down = self._undisturbed(DESTROY, stack)
                if left := [line for line in differences(below, gone) if not re.search(STAYS, line)]:
                    raise LocalMeshError(
                        f"destroying {stack} left orphaned resources:\n" + "\n".join(f"  {line}" for line in left[:9])
                    )
                below = gone
                for verb, calls in ((DEPLOY, calls_up), (DESTROY, calls_down)):
                    faults += self._script_faults(stack, verb, calls)
                self._cycle(stack, [one for one in faults if self._selection.wants(one)], below, above)
                self._command(DEPLOY, stack)
            else:
                self._disturb_all([one for one in faults if self._selection.wants(one)], above)
            below = self._settled()
        self._change_all()

    def _stacks(self) -> Sequence[str]:
        """Return the stacks up to the last one with a fault that may be selected, or all for faults of changes."""
        if any(one.stack == ALL and self._selection.wants(one) for one in self._faults):
            return STACKS
        wanted = [number for number, stack in enumerate(STACKS) if self._selection.may_want(stack, self._faults)]
        return STACKS[: max(wanted, default=-1) + 1]

    def _cycle(self, stack: str, faults: Sequence[InjectedFault], below: Snapshot, above: Snapshot) -> None:
        """Deploy and destroy a stack until all its faults have been injected."""
        up = [one for one in faults if one.verb == DEPLOY]
        down = [one for one in faults if one.verb == DESTROY]
        for number in range(max(len(up), len(down))):
            for verb, mine, expected in ((DEPLOY, up, above), (DESTROY, down, below)):
                if number < len(mine):
                    self._disturb(mine[number], expected)
                else:
                    self._require(self._command(verb, stack))

    def _disturb_all(self, faults: Sequence[InjectedFault], expected: Snapshot) -> None:
        for fault in faults:
            self._require(self._command(DESTROY, fault.stack))
            self._disturb(fault, expected)

    def _disturb(self, fault: InjectedFault, expected: Snapshot) -> None:
        start = time.monotonic()
        self._context.report.progress(f"{fault.stack}, {fault.verb}: {fault.name}")

        def run(**options: Any) -> CommandRun:
            return self._command(fault.verb, fault.stack, fault.first, **options)

        steps = self._steps[fault.stack, fault.verb, fault.step]
        injection = FaultInjection(fault, self._cloud, self._wrappers, steps=steps, other=run)
        with injection:
            first = run(variables=injection.variables, watch=injection.watch)
        outcome = FaultOutcome(fault, injection.happened(), not first.ok, RECOVERED, 0.0)
        again = run()
        found = self._lasting_differences(expected) if again.ok else []
        if not again.ok or found:
            outcome.result = REPAIRED
            outcome.notes += [f"the re-run: {line[:200]}" for line in (again.errors()[:2] or found[:2])]
            repair = self._deployment.run_mesh_cli("repair", "--yes", "--json", seconds=SECONDS)
            outcome.notes += mesh_cli_check.summary(repair)
            again = run()
            found = self._lasting_differences(expected) if again.ok else []
        if not again.ok:
            outcome.result = "not recovered"
            outcome.notes += again.errors()[:3] or again.last_lines().splitlines()[-3:]
        elif found:
            outcome.result = "different state"
            outcome.notes += found[:5]
        if not outcome.happened:
            outcome.notes.append("the fault did not occur")
        outcome.seconds = time.monotonic() - start
        self._add(outcome)
        if outcome.result not in (RECOVERED, REPAIRED):
            self._require(run())

    def _write(self, changed: Mapping[str, Any]) -> None:
        self._deployment.content = copy.deepcopy(self._content)
        FileChange("", changed).apply(self._deployment.content)
        self._deployment.write()
        self._require(self._deployment.synth())

    def _change_all(self) -> None:
        """Go through each cycle of changes of the deployed environment, without faults, and then with one each time."""
        listed = [one for one in self._faults if one.stack == ALL]
        wanted = [one for one in listed if self._selection.wants(one)]
        for cycle in list({json.dumps(one.cycle): one.cycle for one in wanted}.values()):
            changes = list(enumerate([*cycle, {}]))
            first = {one.step: one.first for one in listed if one.cycle == cycle}
            snapshots: list[Snapshot] = []
            for step, keys in changes:
                self._context.report.progress(f"{', '.join(keys) or 'back'}: deploy without a fault")
                self._write(keys)
                snapshots.append(self._undisturbed(CHANGE, ALL, step, first.get(step, ()))[0])
            here = [[one for one in wanted if one.cycle == cycle and one.step == step] for step, _ in changes]
            for number in range(max(map(len, here))):
                for step, keys in changes:
                    self._write(keys)
                    if number < len(here[step]):
                        self._disturb(here[step][number], snapshots[step])
                    else:
                        self._require(self._command(CHANGE, ALL, first.get(step, ())))

    def _add(self, outcome: FaultOutcome) -> None:
        """Add an outcome to the table, and all outcomes so far to the summary."""
        self._outcomes.append(outcome)
        add_outcome(self._table, outcome)
        report, number = self._context.report, len(self._outcomes)
        recovered, repaired = (
            sum(one.ok and one.result == result for one in self._outcomes) for result in (RECOVERED, REPAIRED)
        )
        report.figure("Recovered", f"{recovered} of {number} faults, by one plain re-run")
        report.figure("Repaired", f"{repaired} of {number} faults, by mesh repair and a re-run")
        report.figure("Not recovered", f"{number - recovered - repaired} of {number} faults")
        report.progress(": ".join([f"{outcome.fault.name}: {outcome.result}", *outcome.notes]))

    def _undisturbed(
        self, verb: str, stack: str, step: int = 0, first: Sequence[str] = ()
    ) -> tuple[Snapshot, list[Call]]:
        self._wrappers.forget()
        run = self._command(verb, stack, first)
        self._require(run)
        self._steps[stack, verb, step] = count_steps(run)
        return self._settled(), self._wrappers.calls()

    def _settled(self) -> Snapshot:
        """Return a snapshot once nothing changes any more: controllers go on after terraform has ended."""
        deadline = time.monotonic() + SECONDS_TO_SETTLE
        found = take_snapshot(self._cloud)
        while True:
            time.sleep(SECONDS_WITHOUT_CHANGE)
            before, found = found, take_snapshot(self._cloud)
            if found == before or time.monotonic() > deadline:
                return found

    def _lasting_differences(self, expected: Snapshot) -> list[str]:
        """Return the differences from the expected state that stay when controllers have had time to settle."""
        deadline = time.monotonic() + SECONDS_TO_SETTLE
        while (found := differences(expected, take_snapshot(self._cloud))) and time.monotonic() < deadline:
            time.sleep(1)
        return found

    def _script_faults(self, stack: str, verb: str, calls: Sequence[Call]) -> list[InjectedFault]:
        return [
            call_fault(stack, verb, call, action)
            for call in calls
            if (call.script not in ALIKE or call.number <= MOST_ALIKE)
            and (not self._small or (call.script, call.number) in SMALL_CALLS)
            for action in ACTIONS
        ]

    def _command(self, verb: str, stack: str, first: Sequence[str] = (), **options: Any) -> CommandRun:
        if verb == CHANGE:
            return self._deployment.deploy_after(first, SYNTHESIZED, seconds=SECONDS, **options)
        command = self._deployment.destroy if verb == DESTROY else self._deployment.deploy
        # With this flag cdktf would deploy several stacks at the same time.
        return command((stack,), ONE_STACK_ONLY, SYNTHESIZED, seconds=SECONDS, **options)

    def _require(self, run: CommandRun) -> None:
        if not run.ok:
            raise LocalMeshError("a run without a fault failed:\n" + "\n".join(run.errors() or [run.last_lines()]))


def new_table() -> Table:
    """Return the table of outcomes, without rows."""
    columns = ["Stack", "Fault", "Disturbed command", "Result", "Duration (s)"]
    return Table("Faults, and a re-run after each", columns)


def add_outcome(table: Table, outcome: FaultOutcome) -> None:
    fault, result = outcome.fault, outcome.result if outcome.happened else "the fault did not occur"
    command = f"{fault.verb} {'failed' if outcome.failed else 'succeeded'}"
    table.add(fault.stack, fault.name, command, result, f"{outcome.seconds:.0f}", ok=outcome.ok)
    if not outcome.ok:
        table.notes += [f"{fault.name}: {note}" for note in outcome.notes]


def run_faults(context: RehearsalContext, wrappers: FaultWrappers, selection: FaultSelection) -> None:
    """Inject faults; without any, the rehearsal fails."""
    context.report.tried = (
        f"one fault at a time, then the same command again (mesh.control_plane: "
        f"{context.environment.mesh.control_plane}): real terraform and Kubernetes, emulated Google Cloud"
    )
    context.deployment.content.setdefault("cluster", {})["deletion_protection"] = False
    context.deployment.write()
    context.deployment.synth()
    FaultRehearsal(context, wrappers, selection).run()
    conclude(context)
