"""Where an environment is synthesized: every configuration file has an output folder of its own.

cdktf gives its app one folder: ``cdktf.out``, or the one that ``--output`` or ``CDKTF_OUTPUT`` names. In
``cdktf.out``, the stacks of mesh.yaml are in ``stacks/``, and those of any other file in ``NAME/stacks/``. The
manifest in ``cdktf.out``, which cdktf reads next, lists the stacks that were synthesized last. A folder that the
user has named is taken as it is, for one configuration file only.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.loading.load import CONFIG_VARIABLE, displayed
from config.paths import ROOT

DEFAULT = ROOT / "cdktf.out"
MANIFEST = "manifest.json"
RECORD = ".configuration"
"""File in an output folder that names the configuration that was synthesized there last, relative to the checkout."""

LOCK = ".lock"
CHANGE_LOCK = ".change.lock"
"""File that a command locks while it changes a configuration file and deploys what that means."""

_PATHS_IN_MANIFEST = ("workingDirectory", "synthesizedStackPath", "stackMetadataPath")


class OutputFolderError(Exception):
    """An output folder that holds, or may be meant for, another environment."""


@dataclass(frozen=True)
class OutputFolder:
    """The output folder of one environment.

    Attributes:
        config: The configuration file.
        given: The folder that cdktf gives its app, and whose manifest it reads.
        path: The folder that holds ``stacks/``: the given one, or a folder in it.
        chosen: Whether the user has named the configuration file.
    """

    config: Path
    given: Path
    path: Path
    chosen: bool

    @classmethod
    def of(cls, config: Path, variables: Mapping[str, str] = os.environ) -> "OutputFolder":
        """Find the output folder of a configuration file.

        Args:
            config: The configuration file.
            variables: Environment variables; cdktf sets the first of the two that are read.
        """
        # Resolved, as the path of a local state is relative to it.
        # `Path.resolve` raises for links in a circle, which `locked` reports.
        given = Path(
            os.path.realpath(ROOT / (variables.get("CDKTF_OUTDIR") or variables.get("CDKTF_OUTPUT") or DEFAULT))
        )
        path = given / folder_name(config) if given == DEFAULT.resolve() else given
        return cls(config, given, path, chosen=bool(variables.get(CONFIG_VARIABLE)))

    @property
    def manifest(self) -> Path:
        """The file by which cdktf finds the stacks."""
        return self.given / MANIFEST

    def stack(self, name: str) -> Path:
        """Return the folder of a stack, in which terraform runs."""
        return self.path / "stacks" / name

    def check(self) -> None:
        """Check that the folder is not another environment's.

        Raises:
            OutputFolderError: The user has named a folder that holds another environment, or has named no
                configuration file after synthesizing one that is not mesh.yaml.
        """
        last = last_synthesized(self.given)
        if last is None or last == self.config.resolve():
            return
        mine, other = displayed(self.config), displayed(last)
        if self.given != DEFAULT.resolve():
            raise OutputFolderError(
                f"{displayed(self.given)} holds the environment of {other}, not of {mine}: set "
                f"{CONFIG_VARIABLE}={other}, or name another folder with --output"
            )
        if not self.chosen:
            raise OutputFolderError(
                f"{CONFIG_VARIABLE} is not set, and {other} was synthesized last, not {mine}: "
                f"is another environment meant?\n"
                f"  export {CONFIG_VARIABLE}={other}    # to go on with {other}\n"
                f"  export {CONFIG_VARIABLE}={mine}    # to change to {mine}"
            )

    @contextmanager
    def locked(self, wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the folder for a synthesis; another one waits.

        Args:
            wait: Is called with a message before waiting.

        Raises:
            OutputFolderError: The folder can't be written.
        """
        with self._locked(LOCK, lambda: wait(f"waiting for another synthesis into {displayed(self.given)}")):
            yield

    @contextmanager
    def locked_for_change(self, wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the folder for a change of a configuration file and its deploy; syntheses go on.

        Args:
            wait: Is called with a message before waiting.

        Raises:
            OutputFolderError: The folder can't be written.
        """
        with self._locked(CHANGE_LOCK, lambda: wait("waiting for another mesh drain or mesh undrain")):
            yield

    @contextmanager
    def _locked(self, name: str, wait: Callable[[], None]) -> Iterator[None]:
        try:
            self.given.mkdir(parents=True, exist_ok=True)
            lock = (self.given / name).open("w", encoding="utf-8")
        except OSError as error:
            raise OutputFolderError(f"{displayed(self.given)} can't be written: {error.strerror}") from None
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def begin(self) -> None:
        """Record what is being synthesized, and remove the manifest of what was here before."""
        for folder in {self.given, self.path}:
            (folder / MANIFEST).unlink(missing_ok=True)
            (folder / RECORD).write_text(os.path.relpath(self.config.resolve(), ROOT) + "\n", encoding="utf-8")

    def finish(self) -> None:
        """Have the manifest that cdktf reads point to the stacks."""
        if self.path == self.given:
            return
        manifest = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        for stack in manifest["stacks"].values():
            for key in _PATHS_IN_MANIFEST:
                stack[key] = f"{self.path.name}/{stack[key]}"
        self.manifest.write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def folder_name(config: Path) -> str:
    """Return the name of an environment's folder in ``cdktf.out``: empty for mesh.yaml, which has no folder there."""
    path = os.path.relpath(config.resolve(), ROOT)
    if path == "mesh.yaml":
        return ""
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]  # files of one name are in different folders
    return f"{re.sub('[^A-Za-z0-9._-]', '-', config.resolve().stem)[:40]}-{digest}"


def last_synthesized(folder: Path) -> Path | None:
    """Return the configuration file that was synthesized last into a folder that cdktf has given."""
    try:
        # The record starts with .. for a file outside the checkout.
        return Path(os.path.normpath(ROOT / (folder / RECORD).read_text(encoding="utf-8").removesuffix("\n")))
    except OSError:  # nothing is synthesized there, or it is no folder, which `locked` reports
        return None
