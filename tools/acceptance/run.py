"""Runs the steps, and cleans up whatever happens."""

import shlex
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cli.report.output import NOT_TRIED
from config import Environment
from config.plural import counted
from tools.acceptance.commands import CommandRunner, InterruptedRunError, Signals, say
from tools.acceptance.progress import CommandRecord, Progress, StepRecord, StepState
from tools.acceptance.recording import redaction_of
from tools.acceptance.report import MARKDOWN, result, write_report
from tools.acceptance.step import Step, StepFailedError
from tools.acceptance.steps import REPAIR
from tools.acceptance.versions import versions
from tools.acceptance.workspace import Workspace

LAST_LINES = 15
ATTEMPTS_TO_DESTROY = 3
"""Google's controllers may hold a network or a feature for some minutes after their objects are gone."""

SECONDS_TO_BE_CREATED = 20 * 60
"""For which what a killed terraform has begun may still be in creation: a cluster takes half of it."""

CREATING = "deploy"
"""The step before which there is nothing to destroy."""


class Acceptance:
    """One run, with its progress.

    Attributes:
        workspace: The files.
        environment: The environment.
    """

    def __init__(
        self,
        workspace: Workspace,
        progress: Progress,
        signals: Signals,
        checks: Sequence[Step],
        clean_up: Sequence[Step],
        *,
        pause: float = 20,
    ) -> None:
        """Run nothing yet.

        Args:
            workspace: The files.
            progress: The progress of a run that was cut off, or that of a new one.
            signals: The signals.
            checks: The steps up to the last check.
            clean_up: The steps after it, in any case.
            pause: Seconds before a command is repeated.
        """
        self.workspace = workspace
        self._progress = progress
        self._signals = signals
        self._checks = checks
        self._clean_up = clean_up
        self._pause = pause
        self._commands = CommandRunner(workspace, signals)
        self._record: StepRecord
        self._cleaning = bool(progress.ending) or any(step.name in progress.steps for step in clean_up)

    @property
    def environment(self) -> Environment:
        return self.workspace.environment()

    def run(self) -> int:
        """Run what is left of the steps, and return the exit status: 0 if every check is right and nothing is left."""
        progress = self._progress
        self._commands.wait_for_earlier(progress.last_command, stoppable=not self._cleaning)
        if not progress.ending:
            self._guarded(self._run_checks)
            progress.write()
        self._cleaning = True
        deployed = CREATING in progress.steps or bool(self.workspace.deployed())
        for step in self._clean_up if deployed else ():
            self._clean(step)
        steps = [*self._checks, *self._clean_up]
        number = progress.steps["record"].measured.get("number", "") if "record" in progress.steps else ""
        redaction = redaction_of(self.environment, self.workspace.output, number)
        write_report(self.workspace.folder, progress, steps, versions(self.workspace), redaction)
        say(f"{result(progress, steps)}; report: {self.workspace.folder / MARKDOWN}")
        if left := self.workspace.deployed():
            shown = ", ".join(f"{stack} ({counted(number, 'resource')})" for stack, number in left.items())
            say(f"NOT DESTROYED, and still billed: {shown}. To continue, run the same command again")
            return 1
        self.workspace.progress.unlink()
        if progress.signal:
            return 128 + progress.signal
        return 0 if all(progress.state(step.name) is StepState.DONE for step in steps) else 1

    def _run_checks(self) -> None:
        for step in self._checks:
            if self._signals.received:
                raise InterruptedRunError
            if self._progress.state(step.name) in (None, StepState.RUNNING):
                if step.name == CREATING and self._progress.state(CREATING):
                    self._repair()
                self._run_step(step)
            if step.needed and self._progress.state(step.name) is StepState.FAILED:
                self._progress.ending = f"the checks after {step.name} depend on it"
                return

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do something; a signal or an error ends the checks."""
        try:
            work()
        except InterruptedRunError:
            self._progress.signal = self._signals.received
            self._progress.ending = f"stopped by signal {self._signals.received}"
        except Exception as error:
            traceback.print_exc()
            self._progress.ending = f"error: {type(error).__name__}: {error}"

    def _clean(self, step: Step) -> None:
        if self._progress.state(step.name) is StepState.DONE and not self.workspace.deployed():
            return
        attempts = ATTEMPTS_TO_DESTROY if step.needed else 1
        for attempt in range(attempts):
            if attempt:
                say(f"{step.name}: attempt {attempt + 1} of {attempts}")
                time.sleep(self._pause)
            try:
                self._run_step(step)
            except Exception as error:
                traceback.print_exc()
                self._record.state, self._record.problem = StepState.FAILED, f"{type(error).__name__}: {error}"
            if self._progress.state(step.name) is StepState.DONE:
                return

    def _run_step(self, step: Step) -> None:
        earlier = self._progress.steps.get(step.name)
        record = earlier or StepRecord(StepState.RUNNING, datetime.now(UTC).isoformat(timespec="seconds"))
        record.state, record.problem = StepState.RUNNING, ""
        self._progress.steps[step.name] = self._record = record
        self._progress.write()
        say(f"{step.name}: {step.purpose} (expected: {step.minutes} min)")
        begin, before = time.monotonic(), record.seconds
        try:
            step.run(self)
            record.state = StepState.DONE
        except StepFailedError as error:
            record.state, record.problem = StepState.FAILED, str(error)
            say(f"{step.name} FAILED: {error}")
        finally:
            record.seconds = round(before + time.monotonic() - begin, 1)
            self._progress.write()
        if record.state is StepState.DONE:
            say(f"{step.name}: done in {record.seconds:.0f} s")

    def _run_command(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a command, and return its exit status and output."""
        number = sum(len(one.commands) for one in self._progress.steps.values()) + 1
        name = "-".join(Path(word).name for word in words[:3] if not word.startswith("-"))
        command = CommandRecord(shlex.join(words), log=f"{number:03}-{name}.log")
        self._record.commands.append(command)
        say(f"$ {command.line}")
        try:
            output = self._commands.run(words, command, self._progress.write, stoppable=not self._cleaning)
        finally:
            self._progress.write()
        assert command.status is not None, "it has ended"
        return command.status, output

    def command(self, *words: str, seconds: float = 0, allowed: tuple[int, ...] = (0,)) -> str:
        deadline = time.monotonic() + seconds
        while True:
            status, output = self._run_command(words)
            if status in allowed:
                return output
            if time.monotonic() + self._pause > deadline:
                lines = "\n".join(output.strip().splitlines()[-LAST_LINES:])
                raise StepFailedError(f"{shlex.join(words)} failed with exit status {status}:\n{lines}")
            say(f"not ready yet; next attempt in {self._pause:.0f} s")
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._pause
        while time.monotonic() < deadline:
            if not self._cleaning and self._signals.received:
                raise InterruptedRunError
            time.sleep(min(0.5, self._pause))

    def measure(self, name: str, value: object) -> None:
        self._record.measured[name] = value

    def _repair(self) -> None:
        """Have terraform adopt what a terraform that was killed has created and lost.

        What is still being created may have to be waited for. What can't be adopted, the deploy names.
        """
        self._record = self._progress.steps[CREATING]
        with suppress(StepFailedError):
            self.command(*REPAIR, seconds=SECONDS_TO_BE_CREATED, allowed=(0, NOT_TRIED))
