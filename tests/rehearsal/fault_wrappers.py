"""Programs that fail when they are told to, in front of the real ones."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WRAPPER = Path(__file__).parent / "fault-wrapper.sh"
TOOLS = ("curl", "gcloud", "istioctl", "kubectl")
"""What reaches out of a script."""


@dataclass(frozen=True, order=True)
class Call:
    """One of the calls that a script makes.

    Attributes:
        number: of the call, from 1 on.
    """

    script: str
    number: int
    tool: str


class FaultWrappers:
    """A folder for the PATH."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("bin", "counts"):
            (folder / name).mkdir(parents=True)
        for tool in TOOLS:
            shutil.copy(WRAPPER, folder / "bin" / tool)

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which the programs are found here first."""
        return {**variables, "PATH": f"{self._folder / 'bin'}:{variables['PATH']}"}

    def calls(self) -> list[Call]:
        """Return every call of every script that was noted, each once."""
        trace = self._folder / "trace"
        lines = trace.read_text(encoding="utf-8").splitlines() if trace.exists() else []
        found = {(script, int(number), tool) for script, number, tool in (line.split() for line in lines)}
        return sorted(Call(*one) for one in found)

    def forget(self) -> None:
        """Forget the calls that were noted."""
        (self._folder / "trace").unlink(missing_ok=True)

    def plan(self, call: Call, action: str) -> None:
        """Let a call fail, or its script be killed at it.

        Args:
            action: ``fail`` or ``kill``.
        """
        (self._folder / "taken").unlink(missing_ok=True)
        (self._folder / "plan").write_text(f"{call.script} {call.number} {action}\n", encoding="utf-8")

    def end(self) -> bool:
        """Take back what has not happened yet, and return whether it has."""
        (self._folder / "plan").unlink(missing_ok=True)
        return (self._folder / "taken").exists()
