"""The configuration file: with one line more or less, or as it was."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.drain.file_line import LineError, line_to_write, with_drained
from cli.errors import MeshError
from config import ConfigError, Environment
from config.loading.load import displayed, parse_environment
from config.temporary_folder import prefix_of_process, remove_abandoned


@dataclass(frozen=True)
class ConfigurationFile:
    """A configuration file in which a region is to be drained, or to serve again.

    Attributes:
        path: The file.
        found: Its text, as it was read.
        wanted: Its text with the change; the same if the file has it already.
        opposite: Its text without it.
    """

    path: Path
    found: str
    wanted: str
    opposite: str

    @classmethod
    def of(cls, path: Path, region: str, drained: bool) -> "ConfigurationFile":
        """Read a file, and change nothing yet.

        Args:
            path: The file.
            region: Key of the region.
            drained: Whether it is to be drained.

        Raises:
            MeshError: The text can't be changed safely, or the result is no valid configuration.
        """
        text = path.read_bytes().decode("utf-8")
        try:
            wanted, opposite = (with_drained(text, region, one) for one in (drained, not drained))
        except LineError as error:
            raise MeshError(
                f"{displayed(path)} can't be edited safely, and was left alone: {error}",
                f"write {line_to_write(region, drained)}, and run the command again",
            ) from None
        return cls(path, text, wanted, opposite)

    @property
    def is_changed(self) -> bool:
        return self.found != self.wanted

    def environment(self) -> Environment:
        """Return what the file describes with the change.

        Raises:
            MeshError: The configuration is not valid.
        """
        source = displayed(self.path)
        try:
            return parse_environment(self.wanted, source, os.environ, lambda *_: None)
        except ConfigError as error:
            raise MeshError(f"{source} was left alone: {error.problems[0]}", f"edit {source}") from None

    def write(self) -> None:
        """Write the change.

        Raises:
            MeshError: Somebody else has changed the file meanwhile, or it can't be written.
        """
        self._write(self.found, self.wanted)

    def restore(self) -> None:
        """Take the change back."""
        with suppress(MeshError):  # somebody else has changed the file meanwhile
            self._write(self.wanted, self.found)

    @contextmanager
    def copy(self, text: str) -> Iterator[Path]:
        """Yield a temporary file beside this one, as its paths are relative to its folder.

        Args:
            text: Its content.
        """
        file = self._temporary(text)
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def _write(self, old: str, new: str) -> None:
        if old == new:
            return
        if self.path.read_bytes() != old.encode():
            raise MeshError(f"{displayed(self.path)} has changed meanwhile", "run the command again")
        file = self._temporary(new)
        target = self.path.resolve()  # behind a symbolic link
        shutil.copymode(target, file)
        file.replace(target)

    def _temporary(self, text: str) -> Path:
        folder, name = self.path.resolve().parent, f".{self.path.name}"
        try:
            remove_abandoned(folder, name)
            prefix = prefix_of_process(name)
            with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=prefix, delete=False) as file:
                file.write(text.encode())
        except OSError as error:
            raise MeshError(f"can't write into {folder}: {error.strerror}", "check your permissions there") from error
        return Path(file.name)
