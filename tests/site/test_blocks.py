"""The console blocks of README and docs/: their commands exist, and the blocks without a marker run."""

import re
import subprocess
from itertools import groupby
from pathlib import Path

import pytest

from tests.site.blocks import STATUS_PAGE, Block, all_blocks, status_text
from tests.site.commands import problems
from tests.site.scratch import scratch_checkout

MARKERS = ("", "needs: google-cloud", "needs: slow", "needs: lab", "needs: lab, by hand", "recorded")
BLOCKS = all_blocks()
IN_FILES_OF_THE_USER = {"mesh.yaml", "prod.yaml", "staging.yaml", "answers.json"}
"""Files that pages name and that a reader has."""

RUNNABLE = {
    page: list(blocks) for page, blocks in groupby((one for one in BLOCKS if not one.marker), lambda one: one.page)
}
SEPARATOR = "--- the next command"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_command_exists(block: Block) -> None:
    created = set(IN_FILES_OF_THE_USER)
    assert block.marker in MARKERS
    assert block.commands, "no line begins with a prompt, `$ `"
    assert [one for command in block.commands for one in problems(command.text, created)] == []


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make tests", "make tests: no such target"),
        ("make lab REGION=2", "make REGION=2: the Makefile reads no REGION"),
        ("mesh look", "mesh look: no such command"),
        ("mesh doctor && mesh verify speed", "mesh verify speed: not one of split, locality, ingress"),
        ("mesh drill", "mesh drill: takes 1 arguments, not 0"),
        ("mesh status --jsn | cat", "mesh status --jsn: no such option"),
        ("cdktf deploy networks", "cdktf deploy networks: no such stack"),
        ("cdktf deploy mesh ingress", "cdktf deploy mesh ingress: cdktf refuses this without network"),
        (
            "cdktf deploy mesh ingress --ignore-missing-stack-dependencies",
            "cdktf deploy mesh ingress: cdktf would do this at the same time; cdktf deploy mesh "
            "--ignore-missing-stack-dependencies && cdktf deploy ingress --ignore-missing-stack-dependencies",
        ),
        ("cdktf deploy --yes network", "cdktf deploy --yes: not one of"),
        ("cdktf apply", "cdktf apply: not one of"),
        ("for one in a b; do cdktf diff $one; cdktf plan $one; done", "cdktf plan: not one of"),
        ("A=b nosuchprogram", "nosuchprogram: no such program"),
        ("cat docs/nothing.md # a file", "docs/nothing.md: no such file"),
        ("make synth CONFIG=none.yaml", "none.yaml: no such file"),
        (".venv/bin/python -m tests.nothing", "python -m tests.nothing: no such module"),
    ],
)
def test_what_is_wrong_is_found(command: str, problem: str) -> None:
    [found] = problems(command, set())
    assert found.startswith(problem)


def test_what_a_command_creates_may_be_used() -> None:
    created: set[str] = set()
    assert list(problems("mesh init --output new.yaml \\\n  --plain-http", created)) == []
    assert list(problems("make synth CONFIG=new.yaml && mesh audit --json > left.json && cat left.json", created)) == []


def test_the_page_lists_what_needs_google_cloud() -> None:
    assert STATUS_PAGE.read_text(encoding="utf-8") == status_text(), "run `make schema`"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE)
def test_a_page_s_blocks_run(page: str, tmp_path: Path) -> None:
    """In one shell, as a reader runs them, in a copy of the checkout."""
    commands = [command for block in RUNNABLE[page] for command in block.commands]
    script = "\n".join(f"echo '{SEPARATOR}'\n{command.text}" for command in commands)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". tools/activate\n{script}"],
        cwd=scratch_checkout(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    for command, printed in zip(commands, result.stdout.split(SEPARATOR)[1:], strict=True):
        if command.output:
            assert re.fullmatch(".*".join(map(re.escape, command.output.split("…"))), printed.strip(), re.DOTALL)
