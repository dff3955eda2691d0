"""A step of an acceptance run, and what it runs its commands with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from config import Environment
from tools.acceptance.workspace import Workspace


class StepFailedError(Exception):
    """A step has not found what it has to find."""


class StepContext(Protocol):
    """What a step runs its commands with."""

    @property
    def workspace(self) -> Workspace: ...

    @property
    def environment(self) -> Environment: ...

    def command(self, *words: str, seconds: float = 0, allowed: tuple[int, ...] = (0,)) -> str:
        """Run a command and return its output.

        Args:
            *words: The command.
            seconds: For so long it is repeated until it succeeds.
            allowed: The exit statuses of success.

        Raises:
            StepFailedError: It fails.
        """

    def measure(self, name: str, value: object) -> None:
        """Note a measurement for the report."""


@dataclass(frozen=True)
class Step:
    """A step of the run.

    Attributes:
        name: Its name, in the progress file and in the report.
        purpose: What it does.
        range: The minutes that it usually takes on Google Cloud: fewest and most.
        run: Runs it; raises a StepFailedError.
        needed: Whether the following checks need its success; else they go on without it.
    """

    name: str
    purpose: str
    range: tuple[int, int]
    run: Callable[[StepContext], None]
    needed: bool = False

    @property
    def minutes(self) -> str:
        """The range as a text."""
        low, high = self.range
        return f"{low} to {high}" if low != high else str(low)
