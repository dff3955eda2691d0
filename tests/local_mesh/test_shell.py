"""The shells of `make lab-shell` and `make rehearse-shell`."""

import subprocess
from pathlib import Path

import pytest

from tests.local_mesh.shell import shell_options

BASH, SH = "/bin/bash", "/bin/sh"


@pytest.mark.parametrize("shell", [BASH, SH])
def test_the_prompt_names_the_place_and_the_tools_come_first(shell: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text("PS1='mine> '\nPATH=/mine:$PATH\nMINE=1\n", encoding="utf-8")
    variables = {"HOME": str(home), "PATH": "/tools:/usr/bin:/bin"}
    options, more = shell_options(shell, "lab", variables, tmp_path)
    result = subprocess.run(
        [shell, *options, "-i"],
        input='echo "=$PS1=$PATH=$MINE="\n',
        env=variables | more,
        capture_output=True,
        text=True,
        check=True,
    )
    prompt, mine = ("(lab) mine> ", "1") if shell == BASH else ("(lab) $ ", "")
    assert f"={prompt}=/tools:/usr/bin:/bin={mine}=" in result.stdout
