"""The move to CDK Terrain, without a registry."""

import ast
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from config.paths import ROOT
from tools import move_to_cdktn
from tools.move_to_cdktn import CLI, LEFT_ALONE, NODE, PACKAGES, RENAMES, MoveError, move, renamed

MOVED = "\ncdktn = " in (ROOT / "Pipfile").read_text(encoding="utf-8")


# --- names


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from cdktf import App", "from cdktn import App"),
        (
            "from cdktf_cdktf_provider_google.compute_network import ComputeNetwork",
            "from cdktn_provider_google.compute_network import ComputeNetwork",
        ),
        ("cdktf-cdktf-provider-null", "cdktn-provider-null"),
        ("$ cdktf synth    # cdktf.out/stacks", "$ cdktn synth    # cdktf.out/stacks"),
        ("cdktf.json CDKTF_OUTDIR Testing.fake_cdktf_json_path(app)",) * 2,
        ("self._cdktf(setup_cdktf, cdktf's)", "self._cdktn(setup_cdktn, cdktn's)"),
        (
            "[CDK for\nTerraform](https://developer.hashicorp.com/terraform/cdktf)",
            "[CDK\nTerrain](https://cdktn.io)",
        ),
        ('"source": "google"',) * 2,
    ],
)
def test_names(before: str, after: str) -> None:
    assert renamed("a.py", before) == after
    assert renamed("a.py", after) == after


def test_sources_change_in_snapshots_only() -> None:
    text = '"source": "google", "source": "null", "source": "kubernetes", "source": "other"'
    expected = (
        '"source": "hashicorp/google", "source": "hashicorp/null", "source": "hashicorp/kubernetes", "source": "other"'
    )
    assert renamed("tests/synthesis/__snapshots__/a/b.json", text) == expected
    assert renamed("tests/synthesis/__snapshots__/a/b.json", expected) == expected


@pytest.mark.parametrize("path", ["scripts/a.sh", "manifests/x/a.yaml", "GOTCHAS.md", "docs/cdktn.md"])
def test_what_is_shipped_and_what_tells_of_the_past_stays(path: str) -> None:
    """Another byte in a script, and terraform would run it again."""
    assert renamed(path, "# cdktf") == "# cdktf"


def texts() -> dict[str, str]:
    """Return what git knows of in this checkout, by path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20)
    files = [path for path in listed.stdout.split("\0") if (ROOT / path).is_file()]
    return {path: (ROOT / path).read_text(encoding="utf-8", errors="replace") for path in files}


def test_no_name_of_this_checkout_is_missed() -> None:
    found = texts()
    assert len(found) > 200
    for path, text in found.items():
        after = renamed(path, text)
        if path.startswith(("scripts/", "manifests/")):
            told = [line for line in after.splitlines() if "cdktf" in line and not line.lstrip().startswith("#")]
            assert told == [], f"{path} stays as it is, and would name a command that is gone"
        elif not path.startswith(LEFT_ALONE) and path not in move_to_cdktn.FORGED:
            assert re.findall(r".{20}cdktf(?!\.json|\.out|_json).{20}", after) == [], path
        if path.endswith(".py"):
            ast.parse(after)


@pytest.mark.skipif(MOVED, reason="this checkout has been moved: its texts have the new names")
@pytest.mark.parametrize("pattern", [pattern for pattern, _ in RENAMES])
def test_every_rule_has_something_to_rename(pattern: str) -> None:
    assert any(re.search(pattern, text) for path, text in texts().items() if not path.startswith(LEFT_ALONE))


# --- the move


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=20).stdout


LOCKS = {
    "Pipfile.lock": json.dumps({"default": {new: {"version": f"=={version}"} for new, version in PACKAGES.values()}}),
    "package-lock.json": json.dumps({"packages": {f"node_modules/{CLI[0]}": {"version": CLI[1]}}}),
}
"""What the real ones write, as far as it is looked at."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout on cdktf, and stand-ins for pipenv and npm, which lock what they should."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    pins = "".join(f'{old} = "==1.2.3"\n' for old in PACKAGES)
    package = {"description": "cdktf-cli", "engines": {"node": "^20"}, "dependencies": {"cdktf-cli": "0.21.0"}}
    files = {
        "Pipfile": f'[packages]\n{pins}other = "*"\n',
        "Pipfile.lock": "{}",
        "package.json": json.dumps(package),
        "package-lock.json": "{}",
        "bindings.py": "from cdktf import App\n",
        "scripts/a.sh": "# cdktf\n",
        "none.py": "pass\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "picture.bin").write_bytes(b"\xffcdktf")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    (tmp_path / "bin").mkdir()
    stand_in(tmp_path, "pipenv", f"cat >Pipfile.lock <<'END'\n{LOCKS['Pipfile.lock']}\nEND")
    stand_in(tmp_path, "npm", f"cat >package-lock.json <<'END'\n{LOCKS['package-lock.json']}\nEND")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return folder


def stand_in(folder: Path, tool: str, body: str) -> None:
    path = folder / "bin" / tool
    path.write_text(f'#!/bin/sh\necho "{tool} $*" >>"{folder}/calls"\n{body}\n', encoding="utf-8")
    path.chmod(0o755)


def test_a_checkout_is_moved_and_what_git_can_take_back(checkout: Path) -> None:
    assert move(checkout) == 5
    assert git(checkout, "diff", "--name-only").split() == [
        "Pipfile",
        "Pipfile.lock",
        "bindings.py",
        "package-lock.json",
        "package.json",
    ]
    assert (checkout / "bindings.py").read_text(encoding="utf-8") == "from cdktn import App\n"
    pipfile = (checkout / "Pipfile").read_text(encoding="utf-8")
    assert pipfile.splitlines()[1:] == [
        *(f'{new} = "=={version}"' for new, version in PACKAGES.values()),
        'other = "*"',
    ]
    package = json.loads((checkout / "package.json").read_text(encoding="utf-8"))
    assert package == {"description": CLI[0], "engines": {"node": NODE}, "dependencies": dict([CLI])}
    calls = (checkout.parent / "calls").read_text(encoding="utf-8").splitlines()
    assert [call.split()[:2] for call in calls] == [["pipenv", "upgrade"], ["npm", "install"]]
    assert all(new in calls[0].split() for new, _ in PACKAGES.values())
    assert "--lock-only" in calls[0]
    assert "--package-lock-only" in calls[1]
    assert move(checkout) == 0, "a second time there is nothing to do, though nothing is committed yet"


def change(checkout: Path) -> None:
    (checkout / "none.py").write_text("1\n", encoding="utf-8")


def add(checkout: Path) -> None:
    (checkout / "new.py").write_text("1\n", encoding="utf-8")


def no_package(checkout: Path) -> None:
    pipfile = checkout / "Pipfile"
    text = pipfile.read_text(encoding="utf-8").replace("cdktf-cdktf-provider-null", "cdktf-cdktf-provider-aws")
    pipfile.write_text(text, encoding="utf-8")
    git(checkout, "commit", "--quiet", "--all", "--message", "another provider")


def no_network(checkout: Path) -> None:
    stand_in(checkout.parent, "pipenv", "echo 'no route to host' >&2; exit 1")


def no_npm(checkout: Path) -> None:
    stand_in(checkout.parent, "npm", "echo 'ENOTFOUND'; exit 1")


def another_version(checkout: Path) -> None:
    lock = LOCKS["Pipfile.lock"].replace(f"=={PACKAGES['cdktf'][1]}", "==0.99.0")
    stand_in(checkout.parent, "pipenv", f"cat >Pipfile.lock <<'END'\n{lock}\nEND")


def left_over(checkout: Path) -> None:
    lock = LOCKS["package-lock.json"].replace('{"node_modules/', '{"node_modules/cdktf-cli": {}, "node_modules/')
    stand_in(checkout.parent, "npm", f"cat >package-lock.json <<'END'\n{lock}\nEND")


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (change, "the checkout has uncommitted changes, such as none.py: commit or remove them first"),
        (add, "the checkout has uncommitted changes, such as new.py"),
        (no_package, "Pipfile has no line cdktf-cdktf-provider-null"),
        (no_network, "no route to host"),
        (no_npm, "ENOTFOUND"),
        (another_version, f"pipenv did not lock cdktn {PACKAGES['cdktf'][1]} instead of cdktf"),
        (left_over, f"npm did not lock cdktn-cli {CLI[1]} instead of cdktf-cli"),
    ],
)
def test_a_move_that_fails_changes_nothing(trouble: Callable[[Path], None], said: str, checkout: Path) -> None:
    trouble(checkout)
    before = git(checkout, "diff"), git(checkout, "status", "--porcelain")
    with pytest.raises(MoveError, match=re.escape(said)):
        move(checkout)
    assert (git(checkout, "diff"), git(checkout, "status", "--porcelain")) == before


def test_what_is_missing_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.parent / "nowhere"))
    with pytest.raises(MoveError, match="git is not installed"):
        move(checkout)
