"""Providers that have outlived their terraform.

Terraform ends its providers. If it is killed by SIGKILL, they go on idling for good, each with a hundred megabytes.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = Path("/proc")
_PROGRAM = "terraform-provider-"


@dataclass(frozen=True)
class ProviderProcess:
    """A process of a provider.

    Attributes:
        pid: Its id.
        name: The name of its program.
    """

    pid: int
    name: str


def orphaned_providers(folders: Iterable[Path]) -> Iterator[ProviderProcess]:
    """Yield the providers of this user that were started in the folders of stacks, and whose terraform has ended.

    None where there is no /proc, as on macOS.

    Args:
        folders: The folders of the stacks.
    """
    wanted = {folder.resolve() for folder in folders}
    for folder in sorted(_PROCESSES.glob("[0-9]*"), key=lambda one: int(one.name)):
        try:
            program = (folder / "cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
            if not Path(program).name.startswith(_PROGRAM) or (where := _working_folder(folder)) not in wanted:
                continue
            # After the name, which is in brackets: the state, and then the parent.
            parent = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
        except OSError:  # it has ended meanwhile
            continue
        if _working_folder(_PROCESSES / parent) != where:
            yield ProviderProcess(int(folder.name), Path(program).name)


def _working_folder(process: Path) -> Path | None:
    """Return the working folder of a process; None of another user's."""
    try:
        return Path(os.readlink(process / "cwd"))
    except OSError:
        return None
