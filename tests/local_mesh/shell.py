"""An interactive shell inside: the user's own, with a prompt that names the place."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.local_mesh.isolation import INSIDE, USERS_HOME


def open_shell(name: str, variables: Mapping[str, str], folder: Path) -> int:
    """Open a shell and return its exit status.

    Args:
        name: of the place, which begins the prompt.
        variables: environment variables.
        folder: created for the shell's start files.
    """
    folder.mkdir()
    shell = os.environ.get("SHELL", "/bin/sh")
    environment = {key: value for key, value in variables.items() if key != INSIDE} | {"HOME": os.environ[USERS_HOME]}
    options, more = shell_options(shell, name, environment, folder)
    return subprocess.run([shell, *options], env=environment | more, check=False).returncode


def shell_options(
    shell: str, name: str, variables: Mapping[str, str], folder: Path
) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and variables with which a shell has a prompt that begins with a name.

    The user's start files set another prompt, and may put other programs first on the PATH: bash and zsh read them
    first here.

    Args:
        shell: path.
        name: which begins the prompt.
        variables: of the environment.
        folder: for start files.
    """
    path = f"PATH={shlex.quote(variables['PATH'])}\n"
    match Path(shell).name:
        case "bash":
            file = folder / "bashrc"
            file.write_text(f'[ ! -r ~/.bashrc ] || . ~/.bashrc\n{path}PS1="({name}) $PS1"\n', encoding="utf-8")
            return ["--rcfile", str(file)], {}
        case "zsh":
            text = f'ZDOTDIR=$HOME\n[ ! -r ~/.zshrc ] || . ~/.zshrc\n{path}PROMPT="({name}) $PROMPT"\n'
            (folder / ".zshrc").write_text(text, encoding="utf-8")
            return [], {"ZDOTDIR": str(folder)}
        case _:
            return [], {"PS1": f"({name}) $ "}
