"""Wrappers of programs, which fail a planned call."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WRAPPER = Path(__file__).parent / "fault-wrapper.sh"
TOOLS = ("curl", "gcloud", "istioctl", "kubectl")
"""The wrapped programs: those that reach out of a script."""


@dataclass(frozen=True, order=True)
class Call:
    """A call that a script makes.

    Attributes:
        script: file name of the script.
        number: of the call, from 1 on.
        tool: the called program.
    """

    script: str
    number: int
    tool: str


class FaultWrappers:
    """A folder of wrappers for the PATH."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("bin", "counts"):
            (folder / name).mkdir(parents=True)
        for tool in TOOLS:
            shutil.copy(WRAPPER, folder / "bin" / tool)

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return an environment with the wrappers first on its PATH."""
        return {**variables, "PATH": f"{self._folder / 'bin'}:{variables['PATH']}"}

    def calls(self) -> list[Call]:
        """Return every recorded call of every script, each once."""
        trace = self._folder / "trace"
        lines = trace.read_text(encoding="utf-8").splitlines() if trace.exists() else []
        found = {(script, int(number), tool) for script, number, tool in (line.split() for line in lines)}
        return sorted(Call(*one) for one in found)

    def forget(self) -> None:
        """Delete the recorded calls."""
        (self._folder / "trace").unlink(missing_ok=True)

    def plan(self, call: Call, action: str) -> None:
        """Plan that a call fails, or that its script is killed at it.

        Args:
            call: the first such call is disturbed.
            action: ``fail`` or ``kill``.
        """
        (self._folder / "taken").unlink(missing_ok=True)
        (self._folder / "plan").write_text(f"{call.script} {call.number} {action}\n", encoding="utf-8")

    def end(self) -> bool:
        """Drop the plan, and return whether its fault has happened."""
        (self._folder / "plan").unlink(missing_ok=True)
        return (self._folder / "taken").exists()
