"""Which Node.js `tools/setup` takes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.paths import ROOT

SETUP = (ROOT / "tools" / "setup").read_text(encoding="utf-8")


def ask(folder: Path, call: str) -> "subprocess.CompletedProcess[str]":
    """Call one of its two functions about Node.js in a folder."""
    functions = re.findall(r"^node_\w+\(\) \{\n.*?^\}\n", SETUP, re.DOTALL | re.MULTILINE)
    assert len(functions) == 2
    script = "\n".join(["set -euo pipefail", "die() { printf '%s\\n' \"$*\" >&2; exit 1; }", *functions, call])
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize("found", ["v22.19.0", "v22.20.0", "v22.100.1", "v24.0.0"])
def test_a_node_that_serves(found: str) -> None:
    assert ask(ROOT, f"node_serves {found} '22.19  24'").returncode == 0


@pytest.mark.parametrize("found", ["none", "v22.18.9", "v22.2.0", "v2.24.0", "v20.30.0", "v23.1.0", "v25.0.0"])
def test_a_node_that_does_not_serve(found: str) -> None:
    assert ask(ROOT, f"node_serves {found} '22.19  24'").returncode == 1


def machine(folder: Path, kind: str, lock: str) -> Path:
    """Make a checkout's two files about cdktf-cli on a machine of a kind."""
    shutil.copy(ROOT / "package.json", folder)
    text = (folder / "package.json").read_text(encoding="utf-8")
    (folder / "package.json").write_text(re.sub(r'"node": ".*"', '"node": "^22.19 || ^20"', text), encoding="utf-8")
    (folder / "package-lock.json").write_text(lock, encoding="utf-8")
    (folder / "uname").write_text(
        f'uname() {{ case "$1" in -s) echo {kind.partition("-")[0]} ;; *) echo {kind.partition("-")[2]} ;; esac; }}\n'
    )
    return folder


@pytest.mark.parametrize(
    ("kind", "versions"),
    [
        ("Linux-x86_64", ["22.19", "20"]),
        ("Darwin-arm64", ["22.19", "20"]),
        ("Linux-aarch64", ["20"]),
        ("Darwin-x86_64", []),
    ],
)
def test_the_native_part_decides_by_machine(kind: str, versions: list[str], tmp_path: Path) -> None:
    folder = machine(tmp_path, kind, '"node_modules/@cdktf/node-pty-prebuilt-multiarch": {}')
    result = ask(folder, ". ./uname; node_versions")
    assert result.stdout.split() == versions
    assert result.returncode == (0 if versions else 1)
    assert ("does not run on Darwin x86_64" in result.stderr) == (not versions)


def test_without_the_native_part_any_machine_does(tmp_path: Path) -> None:
    result = ask(machine(tmp_path, "Darwin-x86_64", "{}"), ". ./uname; node_versions")
    assert (result.returncode, result.stdout.split()) == (0, ["22.19", "20"])
