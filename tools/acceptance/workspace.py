"""The folder of a project's acceptance run: configuration, states, progress, logs and report."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config import Environment, load
from config.backend import state_file
from config.naming import STACKS
from config.paths import ROOT

FOLDER = ROOT / ".acceptance"


class AcceptanceError(Exception):
    """The acceptance run can't start, or can't go on."""


@dataclass(frozen=True)
class Workspace:
    """The files of one project's acceptance run.

    Attributes:
        project: The project's id.
        folder: The folder of all files.
    """

    project: str
    folder: Path

    @classmethod
    def of(cls, project: str, parent: Path = FOLDER) -> "Workspace":
        """Return the workspace of a project."""
        return cls(project, parent / project)

    @property
    def config(self) -> Path:
        return self.folder / "mesh.yaml"

    @property
    def output(self) -> Path:
        """The output folder of cdktf."""
        return self.folder / "cdktf.out"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def command_lock(self) -> Path:
        """The file that each command holds locked until it ends, even if this process is gone."""
        return self.folder / "command.lock"

    def stack(self, name: str) -> Path:
        """Return the folder in which terraform runs for a stack."""
        return self.output / "stacks" / name

    def environment(self) -> Environment:
        """Return the environment that the configuration describes.

        Raises:
            ConfigError: It is not valid.
        """
        return load(self.config, {})

    def forget_earlier_run(self) -> None:
        """Remove the logs, the report and the output folder of a run that has ended."""
        for folder in (self.logs, self.output):
            shutil.rmtree(folder, ignore_errors=True)
        for file in self.folder.glob("*.*"):
            if file.suffix in (".json", ".md"):
                file.unlink()
        self.logs.mkdir()

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the commands."""
        return {
            **os.environ,
            "MESH_CONFIG": str(self.config),
            "CDKTF_OUTPUT": str(self.output),
            # Without a terminal cdktf neither asks nor redraws.
            "CI": "1",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "TF_IN_AUTOMATION": "1",
        }

    def deployed(self) -> dict[str, int]:
        """Return the number of resources in the state of each stack that has any."""
        counts = {stack: _count(state_file(self.config, stack)) for stack in STACKS}
        return {stack: count for stack, count in counts.items() if count}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep out a second run for the same project.

        Raises:
            AcceptanceError: Another run has the folder.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AcceptanceError(f"an acceptance run for {self.project} is already running") from None
            yield


def _count(state: Path) -> int:
    try:
        content = json.loads(state.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    except ValueError:
        return 1  # a state that can't be read is not an empty one
    return sum(1 for one in content.get("resources", []) if one.get("mode") == "managed")
