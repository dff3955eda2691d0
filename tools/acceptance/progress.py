"""The progress of an acceptance run, in a file, so that a run that was cut off goes on."""

import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class StepState(StrEnum):
    """The state of a step; one that was cut off is still running in the file."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class CommandRecord:
    """A command that a step has run.

    Attributes:
        line: The command line.
        status: The exit status; None while it runs, and if the run was cut off.
        seconds: The duration.
        pid: The process id.
        log: The file with its output.
    """

    line: str
    status: int | None = None
    seconds: float = 0.0
    pid: int = 0
    log: str = ""


@dataclass
class StepRecord:
    """What is known of a step.

    Attributes:
        state: The state.
        began: The time, UTC.
        seconds: The duration, of all attempts together.
        problem: What failed; empty if nothing did.
        commands: The commands.
        measured: What the step has measured.
    """

    state: StepState
    began: str
    seconds: float = 0.0
    problem: str = ""
    commands: list[CommandRecord] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass
class Progress:
    """The progress file.

    Attributes:
        file: The file.
        began: The time, UTC.
        resumed: How often the run went on after it was cut off.
        ending: Why the checks ended before their end; empty if they did not. Only the clean-up is left then.
        signal: The signal that ended the checks; 0 for none.
        steps: By name, in the order of their begin.
    """

    file: Path
    began: str
    resumed: int = 0
    ending: str = ""
    signal: int = 0
    steps: dict[str, StepRecord] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> "Progress | None":
        """Return the progress of a run that was cut off; None if there is none."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        steps = {
            name: StepRecord(
                **{
                    **one,
                    "state": StepState(one["state"]),
                    "commands": [CommandRecord(**command) for command in one["commands"]],
                }
            )
            for name, one in content.pop("steps").items()
        }
        return cls(file=file, steps=steps, **content)

    def write(self) -> None:
        """Write the file whole or not at all, also when the machine stops."""
        draft = self.file.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as stream:
            json.dump(self.data(), stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.file)

    def data(self) -> dict[str, Any]:
        """Return the content for JSON."""
        content = asdict(self)
        del content["file"]
        return content

    def state(self, step: str) -> StepState | None:
        """Return the state of a step; None if it has not begun."""
        record = self.steps.get(step)
        return record.state if record else None

    @property
    def last_command(self) -> CommandRecord | None:
        """The command that was started last."""
        commands = [one for step in self.steps.values() for one in step.commands]
        return commands[-1] if commands else None
