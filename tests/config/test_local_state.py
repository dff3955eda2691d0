"""Local states that a killed terraform has left incomplete are refused at the synthesis."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config import load
from config.local_state import SECONDS, IncompleteStateError, check
from config.paths import ROOT

CONFIGURATION = """
project: {id: acme-prod}
regions:
  tokyo: {region: asia-northeast1, number: 0}
ingress: {config_cluster: tokyo, plain_http: true}
"""
COMPLETE = '{"version": 4, "resources": []}\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (file := tmp_path / "mesh.yaml").write_text(CONFIGURATION, encoding="utf-8")
    return file


def checked(config: Path, state: str, *, backup: bool, wait: Callable[[float], object] = lambda _: None) -> None:
    """Check an environment whose mesh has a state, and maybe a backup."""
    (config.parent / "terraform.mesh.tfstate").write_text(state, encoding="utf-8")
    if backup:
        (config.parent / "terraform.mesh.tfstate.backup").write_text(COMPLETE, encoding="utf-8")
    check(load(config), config, wait)


@pytest.mark.parametrize(
    ("state", "backup"),
    [(COMPLETE, True), (COMPLETE.strip(), False), ("", False), ("{<<<<<<< HEAD\n}\n", True)],
    ids=["complete", "without a newline", "first deploy", "not of terraform"],
)
def test_what_terraform_reads(config: Path, state: str, backup: bool) -> None:
    checked(config, state, backup=backup)


@pytest.mark.parametrize(
    ("state", "backup"),
    [
        ("", True),
        ("\0" * 100, True),
        ("\0" * 100, False),
        ("{", True),
        (COMPLETE[:-3], True),
        (COMPLETE[:-3], False),
        ('{\n  "resources": [\n    {}', True),
    ],
    ids=[
        "empty",
        "machine stopped",
        "machine stopped, without a backup",
        "cut off",
        "nearly complete",
        "without a backup",
        "cut off after a brace",
    ],
)
def test_an_incomplete_state_is_refused(config: Path, state: str, backup: bool) -> None:
    waited: list[float] = []
    with pytest.raises(IncompleteStateError, match=r"^terraform\.mesh\.tfstate: incomplete, .*: mesh repair$"):
        checked(config, state, backup=backup, wait=waited.append)
    assert waited == [SECONDS]


def test_a_state_that_is_being_written_is_awaited(config: Path) -> None:
    state = config.parent / "terraform.mesh.tfstate"
    checked(config, "", backup=True, wait=lambda _: state.write_text(COMPLETE, encoding="utf-8"))


def test_an_empty_state_whose_backup_is_cut_off_is_that_of_a_first_deploy(config: Path) -> None:
    """There is nothing to restore it from, and terraform takes it for a new one."""
    (config.parent / "terraform.mesh.tfstate.backup").write_text("{", encoding="utf-8")
    checked(config, "", backup=False)


def test_a_state_that_can_not_be_read_is_refused(config: Path) -> None:
    (config.parent / "terraform.mesh.tfstate").mkdir()
    with pytest.raises(IncompleteStateError, match=r"^can't read the state .*terraform\.mesh\.tfstate: Is a directory"):
        check(load(config), config)


def test_a_state_elsewhere_is_not_looked_for(config: Path) -> None:
    with config.open("a", encoding="utf-8") as file:
        file.write("backend: {type: gcs, bucket: acme-states}\n")
    checked(config, "{", backup=True)


def test_the_synthesis_refuses_it(config: Path) -> None:
    (config.parent / "terraform.mesh.tfstate").write_text("{", encoding="utf-8")
    outdir = config.parent / "cdktf.out"
    variables = {"MESH_CONFIG": str(config), "CDKTF_OUTDIR": str(outdir)}
    result = subprocess.run(
        [sys.executable, "main.py"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "terraform.mesh.tfstate: incomplete, as terraform was killed while it wrote the state: mesh repair\n"
    )
    assert not (outdir / "stacks").exists()
