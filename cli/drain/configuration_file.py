"""The configuration file: with one line more or less, or as it was."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
            MeshError: The text can't be changed safely, or the file is not to be changed.
        """
        text = path.read_bytes().decode("utf-8")
        try:
            wanted, opposite = (with_drained(text, region, one) for one in (drained, not drained))
        except LineError as error:
            raise MeshError(
                f"{displayed(path)} can't be edited safely, and was left alone: {error}",
                f"write {line_to_write(region, drained)}, and run the command again",
            ) from None
        if wanted != text and not path.stat().st_mode & stat.S_IWUSR:  # which a replacement would not stop at
            raise MeshError(f"{displayed(path)} is read-only", f"chmod u+w {displayed(path)}")
        return cls(path, text, wanted, opposite)

    @property
    def is_changed(self) -> bool:
        return self.found != self.wanted

    def environment(self) -> Environment:
        """Return what the file describes with the change.

        Raises:
            MeshError: The configuration is not valid with the change, or without it.
        """
        source = displayed(self.path)
        environment = self._parsed(self.wanted, f"{source} was left alone", f"edit {source}")
        if not self.is_changed:
            already = f"{source} has the change already, and is not valid without it, so that nothing can be compared"
            self._parsed(self.opposite, already, "mesh status")
        return environment

    def _parsed(self, text: str, problem: str, fix: str) -> Environment:
        try:
            return parse_environment(text, displayed(self.path), os.environ, lambda *_: None)
        except ConfigError as error:
            # Without lines: the file itself does not have the text in which they are counted.
            found = "; ".join(str(replace(one, line=None)) for one in error.problems)
            raise MeshError(f"{problem}: {found}", fix) from None

    def write(self) -> None:
        """Write the change.

        Raises:
            MeshError: Somebody else has changed the file meanwhile, or it can't be written.
        """
        self._write(self.found, self.wanted)

    def restore(self) -> bool:
        """Take the change back, and return whether the file is as it was found."""
        try:
            self._write(self.wanted, self.found)
        except MeshError:  # somebody else has changed the file meanwhile
            return False
        return True

    @contextmanager
    def copy(self, text: str) -> Iterator[Path]:
        """Yield a temporary file beside this one, or the link to it, as paths in it are relative to that folder.

        Args:
            text: Its content.
        """
        file = self._temporary(self.path.parent, text)
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def _write(self, old: str, new: str) -> None:
        if self.path.read_bytes() != old.encode():  # also where nothing changes: another drain may take it back
            raise MeshError(f"{displayed(self.path)} has changed meanwhile", "run the command again")
        if old == new:
            return
        target = self.path.resolve()  # behind a symbolic link
        file = self._temporary(target.parent, new)
        shutil.copymode(target, file)
        file.replace(target)

    def _temporary(self, folder: Path, text: str) -> Path:
        name = f".{self.path.name}"
        try:
            remove_abandoned(folder, name)
            prefix = prefix_of_process(name)
            with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=prefix, delete=False) as file:
                file.write(text.encode())
        except OSError as error:
            raise MeshError(f"can't write into {folder}: {error.strerror}", "check your permissions there") from error
        return Path(file.name)
