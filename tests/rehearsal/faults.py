"""Faults, one at a time: does one plain re-run recover from each?"""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from config.naming import STACKS
from config.synthesized import read_stack
from tests.fake_cloud import identity
from tests.fake_cloud.faults import OperationFault, RequestFault
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal import mesh_cli_check
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.deployment import CommandRun, kill_all
from tests.rehearsal.fault_wrappers import Call, FaultWrappers
from tests.rehearsal.snapshot import Snapshot, differences, take_snapshot
from tests.reporting.table import Table

FILE = Path(__file__).parent / "faults.yaml"
DEPLOY, DESTROY = "deploy", "destroy"
ALONE = ("--ignore-missing-stack-dependencies",)
_COMMAND = "terraform -chdir="
MANIFEST = "kubernetes_manifest"
_MANIFEST_AT = re.compile(rf"with {MANIFEST}\.([^\s,]+)")

STAYS = "/services/| CustomResourceDefinition |/gsmrsvd-|/gke-.*-mcsd"
"""What a destroy leaves: APIs, as others may use them; Istio's CRDs, which are deleted with their cluster; and what a
mesh makes around one."""

SECONDS = 600
"""Timeout of a command; undisturbed ones take less than a minute."""

SECONDS_TO_SETTLE = 60
SECONDS_WITHOUT_CHANGE = 5

SECONDS_TO_KILL = 0.5
"""Delay between the trigger of a kill and the kill."""

RECOVERED = "recovered"
INSTRUCTED = "stopped with instructions"
"""Results of a re-run: it succeeded; or it stopped with a message whose commands made the next run succeed."""

ALIKE = ("asmcli", "wait-for-crds.sh", "wait-for-load-balancer-cleanup.sh")
MOST_ALIKE = 3
"""Number of disturbed calls of scripts that repeat one call, and of asmcli, which is fake. `make rehearse-scripts
FAULTS=all` disturbs all, and is faster."""

SMALL_CALLS = (("create-remote-secret.sh", 3),)
"""Calls of scripts in the small set: one, as `make rehearse-scripts` disturbs all, and is faster."""


@dataclass(frozen=True)
class InjectedFault:
    """A fault, with the keys of ``faults.yaml``, or at a call of a script."""

    name: str
    stack: str
    verb: str
    request: str = ""
    status: int = 0
    times: int = 0
    operation: str = ""
    kill: str = ""
    kill_at: str = ""
    expire: str = ""
    lifetime: int = 0
    unreachable: int | None = None
    mesh_delay: float = 0.0
    modes: tuple[str, ...] = ()
    stops: str = ""
    cleanup: str = ""
    small: bool = False
    call: Call | None = None
    action: str = ""


@dataclass
class FaultOutcome:
    """The result of a fault.

    Attributes:
        fault: the fault.
        happened: whether it happened at all.
        failed: whether the disturbed command failed.
        result: `RECOVERED`, `INSTRUCTED`, or the problem.
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
        return self.happened and self.result in (RECOVERED, INSTRUCTED)


def read_faults(small: bool, mode: str = "") -> list[InjectedFault]:
    """Return the faults of ``faults.yaml``.

    Args:
        small: return only those of the small set.
        mode: return only those that can happen in this control plane mode; all if empty.
    """
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    faults = [fault for fault in (InjectedFault(**entry) for entry in entries) if fault.small or not small]
    return [fault for fault in faults if not mode or not fault.modes or mode in fault.modes]


@dataclass(frozen=True)
class FaultSelection:
    """A selection of faults.

    Attributes:
        small: only those of the small set.
        only: pattern for ``STACK, VERB: NAME``; the calls of scripts have names such as
            ``create-remote-secret.sh is killed at its call 3, kubectl``.
    """

    small: bool = False
    only: str = ""

    def wants(self, fault: InjectedFault) -> bool:
        return re.search(self.only, f"{fault.stack}, {fault.verb}: {fault.name}") is not None


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
        self._faults = read_faults(selection.small, context.environment.mesh.control_plane)
        self._table = new_table()
        self._outcomes: list[FaultOutcome] = []

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

    def _stacks(self) -> Sequence[str]:
        """Return the stacks up to the last one with a fault."""
        last = max(STACKS.index(one.stack) for one in self._faults)
        return STACKS[: last + 1] if self._small else STACKS

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
        with self._armed(fault) as (variables, watch, happened):
            first = self._command(fault.verb, fault.stack, variables=variables, watch=watch)
        outcome = FaultOutcome(fault, happened(), not first.ok, "", 0.0)
        again = self._command(fault.verb, fault.stack)
        stopped = [line.strip() for line in again.output.splitlines() if fault.stops and re.search(fault.stops, line)]
        if not again.ok and stopped:
            outcome.notes.append(f"the re-run stopped: {stopped[0][:160]}")
            outcome.result = INSTRUCTED
            for command in {line[line.index(_COMMAND) :] for line in again.output.splitlines() if _COMMAND in line}:
                self._deployment.shell(f"{command} -auto-approve -no-color")
            unreported = self._delete_unknown(fault, again.output)
            outcome.notes += unreported
            outcome.result = "resource not reported" if unreported else outcome.result
            again = self._command(fault.verb, fault.stack)
        found = self._lasting_differences(expected)
        if not again.ok:
            outcome.result = "not recovered"
            outcome.notes += again.errors()[:3] or again.last_lines().splitlines()[-3:]
        elif found:
            outcome.result = "different state"
            outcome.notes += found[:5]
        else:
            outcome.result = outcome.result or RECOVERED
        if not outcome.happened:
            outcome.notes.append("the fault did not occur")
        outcome.seconds = time.monotonic() - start
        self._add(outcome)
        if outcome.result not in (RECOVERED, INSTRUCTED):
            self._require(self._command(DEPLOY if fault.verb == DEPLOY else DESTROY, fault.stack))

    @contextmanager
    def _armed(
        self, fault: InjectedFault
    ) -> Iterator[tuple[dict[str, str], Callable[[str, "subprocess.Popen[str]"], None], Callable[[], bool]]]:
        """Arm a fault for a block; yields variables, a watcher of the command, and whether the fault has happened."""
        faults = self._cloud.fake.faults
        faults.clear()
        variables: dict[str, str] = {}
        killed: list[str] = []
        running: list[subprocess.Popen[str]] = []

        def watch(line: str, process: "subprocess.Popen[str]") -> None:
            running[:] = [process]
            if fault.kill and not killed and re.search(fault.kill, line):
                killed.append(line)
                kill()

        def kill() -> None:
            threading.Timer(SECONDS_TO_KILL, kill_all, running).start()

        lifetime = identity.LIFETIME
        region = list(self._cloud.clusters())[fault.unreachable] if fault.unreachable is not None else ""
        if fault.request:
            faults.add(RequestFault(fault.request, fault.status, fault.times))
        if fault.operation:
            faults.add(OperationFault(fault.operation))
        if fault.kill_at:
            faults.on_request(fault.kill_at, kill)
        if fault.expire:
            token = self._cloud.fake.identity.new_token()["access_token"]
            variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = token
            faults.on_request(fault.expire, lambda: self._cloud.fake.identity.expire(token))
        if fault.lifetime:
            identity.LIFETIME = fault.lifetime
        self._cloud.mesh_delay = fault.mesh_delay
        if region:
            self._cloud.planes.network.take_down(region)
        if fault.call is not None:
            self._wrappers.plan(fault.call, fault.action)
        try:
            there = bool(fault.lifetime or fault.mesh_delay or region)
            has_happened = lambda: bool(  # noqa: E731
                there or killed or faults.taken or (fault.call is not None and self._wrappers.end())
            )
            yield variables, watch, has_happened
        finally:
            identity.LIFETIME = lifetime
            self._cloud.mesh_delay = 0.0
            if region:
                self._cloud.planes.network.bring_up(region)
            faults.stop()

    def _delete_unknown(self, fault: InjectedFault, output: str) -> list[str]:
        """Delete what is missing from the state, as an operator would. Returns what `mesh doctor` does not report."""
        if not fault.cleanup:
            return []
        reported = mesh_cli_check.doctor_remediation(self._context)
        if fault.cleanup == MANIFEST:
            deleted = self._delete_objects(fault.stack, sorted(set(_MANIFEST_AT.findall(output))))
        else:
            deleted = self._delete_resources(fault)
        return [f"mesh doctor has no command for {name}" for name in deleted if name not in reported]

    def _delete_objects(self, stack: str, addresses: Iterable[str]) -> list[str]:
        """Delete the objects that a message names, `with kubernetes_manifest.ADDRESS`, and return their names."""
        manifests = read_stack(self._deployment.output, stack)["resource"][MANIFEST]
        found = [manifests[address] for address in addresses]
        for one in found:
            self._cloud.clusters()[one["provider"].removeprefix("kubernetes.")].delete([one["manifest"]])
        return [one["manifest"]["metadata"]["name"] for one in found]

    def _delete_resources(self, fault: InjectedFault) -> list[str]:
        """Delete resources that match the fault's pattern and are in no state. Return names, without those of parts."""
        store = self._cloud.fake.store
        known = "".join(
            self._deployment.state_file(stack).read_text(encoding="utf-8")
            for stack in STACKS
            if self._deployment.state_file(stack).exists()
        )
        paths = [path for path in store.all() if re.search(fault.cleanup, f"/{path}") and "operations" not in path]
        unknown = [path for path in paths if f'"{path}"' not in known]
        deleted = [path for path in unknown if not path.startswith(tuple(f"{other}/" for other in unknown))]
        for path in sorted(unknown, key=len, reverse=True):
            self._cloud.delete(path)
        names = [path.rpartition("/")[2] for path in deleted]
        # A NAT is a part of its router, with an id of its own in the state.
        for path in (path for path in paths if path not in unknown and "/routers/" in path):
            project, _, region, _, router = path.split("/")[1:]
            resource = store.get(path)
            nats = resource.get("nats", [])
            resource["nats"] = [one for one in nats if f'"{project}/{region}/{router}/{one["name"]}"' in known]
            names += [one["name"] for one in nats if one not in resource["nats"]]
        return names

    def _add(self, outcome: FaultOutcome) -> None:
        """Add an outcome to the table, and all outcomes so far to the summary."""
        self._outcomes.append(outcome)
        add_outcome(self._table, outcome)
        report, number = self._context.report, len(self._outcomes)
        recovered, instructed = (
            sum(one.ok and one.result == result for one in self._outcomes) for result in (RECOVERED, INSTRUCTED)
        )
        report.figure("Recovered", f"{recovered} of {number} faults, by one plain re-run")
        report.figure("Stopped", f"{instructed} of {number} faults, with a message that says what to do")
        report.figure("Not recovered", f"{number - recovered - instructed} of {number} faults")
        report.progress(": ".join([f"{outcome.fault.name}: {outcome.result}", *outcome.notes]))

    def _undisturbed(self, verb: str, stack: str) -> tuple[Snapshot, list[Call]]:
        self._wrappers.forget()
        self._require(self._command(verb, stack))
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
            InjectedFault(
                f"{call.script} {what} at its call {call.number}, {call.tool}", stack, verb, call=call, action=action
            )
            for call in calls
            if (call.script not in ALIKE or call.number <= MOST_ALIKE)
            and (not self._small or (call.script, call.number) in SMALL_CALLS)
            for action, what in (("fail", "fails"), ("kill", "is killed"))
        ]

    def _command(self, verb: str, stack: str, **options: Any) -> CommandRun:
        command = self._deployment.deploy if verb == DEPLOY else self._deployment.destroy
        return command((stack,), *ALONE, "--skip-synth", seconds=SECONDS, **options)

    def _require(self, run: CommandRun) -> None:
        if not run.ok:
            raise LocalMeshError("a run without a fault failed:\n" + "\n".join(run.errors() or [run.last_lines()]))


def new_table() -> Table:
    """Return the table of outcomes, without rows."""
    columns = ["Stack", "Fault", "Disturbed command", "Result of the re-run", "Duration (s)"]
    return Table("Faults, and one plain re-run after each", columns)


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
