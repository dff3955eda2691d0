"""Lets a fault happen while a command runs."""

import re
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.fake_cloud import identity
from tests.fake_cloud.faults import OperationFault, RequestFault
from tests.rehearsal.deployment import CommandRun, kill_all
from tests.rehearsal.fault_wrappers import FaultWrappers
from tests.rehearsal.injected_fault import InjectedFault
from tests.rehearsal.simulated_cloud import SimulatedCloud

SECONDS_TO_KILL = 0.5
"""Delay between the trigger of a kill and the kill."""

LOCKED = "Error acquiring the state lock"


_STEP = re.compile(r": (Creating|Modifying|Destroying|Creation complete|Modifications complete|Destruction complete)")


def count_steps(run: CommandRun) -> int:
    """Return how many steps terraform has reported: each beginning, and each end."""
    return sum(map(_is_step, run.output.splitlines()))


def _is_step(line: str) -> bool:
    return _STEP.search(line) is not None


class FaultInjection:
    """A fault that can happen during a block.

    Attributes:
        variables: for the environment of the command.
    """

    def __init__(
        self,
        fault: InjectedFault,
        cloud: SimulatedCloud,
        wrappers: FaultWrappers,
        *,
        steps: int,
        other: Callable[[], CommandRun],
    ) -> None:
        """Inject nothing yet.

        Args:
            fault: the fault.
            cloud: the cloud.
            wrappers: of the programs that scripts call.
            steps: that terraform reports in an undisturbed run.
            other: runs the command a second time.
        """
        self.variables: dict[str, str] = {}
        self._fault = fault
        self._cloud = cloud
        self._wrappers = wrappers
        self._steps = steps
        self._done = 0
        self._other = other
        self._lifetime = identity.LIFETIME
        self._region = ""
        self._running: list[subprocess.Popen[str]] = []
        self._happened = threading.Event()
        self._threads: list[threading.Timer] = []

    def __enter__(self) -> Self:
        fault, faults = self._fault, self._cloud.fake.faults
        faults.clear()
        if fault.request:
            faults.add(RequestFault(fault.request, fault.status, fault.times))
        if fault.operation:
            faults.add(OperationFault(fault.operation))
        if fault.kill_at:
            faults.on_request(fault.kill_at, lambda: self._kill_in(SECONDS_TO_KILL))
        if fault.expire:
            token = self._cloud.fake.identity.new_token()["access_token"]
            self.variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = token
            faults.on_request(fault.expire, lambda: self._cloud.fake.identity.expire(token))
        if fault.outage:
            faults.on_request(fault.outage, self._begin_outage)
        if fault.lifetime:
            identity.LIFETIME = fault.lifetime
        if fault.call is not None:
            self._wrappers.plan(fault.call, fault.action)
        if fault.unreachable is not None:
            self._region = list(self._cloud.clusters())[fault.unreachable]
            self._cloud.planes.network.take_down(self._region)
        self._cloud.mesh_delay = fault.mesh_delay
        if fault.lifetime or fault.mesh_delay or self._region:
            self._happened.set()
        return self

    def watch(self, line: str, process: "subprocess.Popen[str]") -> None:
        """Take a line of the command's output, which may trigger the fault."""
        fault = self._fault
        self._running[:] = [process]
        self._done += (step := _is_step(line))
        if fault.kill_after is not None and self._done > fault.kill_after * self._steps:
            if not self._threads:
                self._kill_in(fault.delay)
            elif step:  # the last one may be near
                self._kill_in(0)
        if fault.kill and not self._happened.is_set() and re.search(fault.kill, line):
            self._kill_in(SECONDS_TO_KILL)
        if fault.twice and not self._threads and re.search(fault.twice, line):
            self._start(0, self._run_other)
        if fault.twice and LOCKED in line:
            self._happened.set()

    def happened(self) -> bool:
        """Return whether the fault has happened."""
        called = self._fault.call is not None and self._wrappers.end()
        return called or self._happened.is_set() or bool(self._cloud.fake.faults.taken)

    def _run_other(self) -> None:
        """Run the command a second time: the lock of the state has to refuse one of the two."""
        if LOCKED in self._other().output:
            self._happened.set()

    def _kill_in(self, seconds: float) -> None:
        def kill() -> None:
            if self._running and self._running[0].poll() is None:
                self._happened.set()
                kill_all(self._running[0])

        self._start(seconds, kill)

    def _begin_outage(self) -> None:
        """Let no API and no API server respond for a while."""
        network, regions = self._cloud.planes.network, list(self._cloud.clusters())

        def end_outage() -> None:
            for region in regions:
                network.bring_up(region)

        self._cloud.fake.faults.silence(self._fault.seconds)
        for region in regions:
            network.take_down(region)
        self._start(self._fault.seconds, end_outage)

    def _start(self, seconds: float, function: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, function)
        self._threads.append(timer)
        timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._threads:
            one.join()
        identity.LIFETIME = self._lifetime
        self._cloud.mesh_delay = 0.0
        if self._region:
            self._cloud.planes.network.bring_up(self._region)
        self._cloud.fake.faults.stop()
