"""The move to CDK Terrain, without a registry, and what compares both: `make compare-cdktn` tries the real thing."""

import ast
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.naming import STACKS
from config.paths import ROOT
from tests.tools import compare_cdktn
from tests.tools.compare_cdktn import CompareError, Comparison, environments
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
        (change, "1 files are not as committed, such as none.py: commit or remove them first"),
        (add, "1 files are not as committed, such as new.py"),
        (no_package, "Pipfile has no line cdktf-cdktf-provider-null"),
        (no_network, "no route to host"),
        (no_npm, "ENOTFOUND"),
        (another_version, f"pipenv has not locked cdktn {PACKAGES['cdktf'][1]} in place of cdktf"),
        (left_over, f"npm has not locked cdktn-cli {CLI[1]} in place of cdktf-cli"),
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
    with pytest.raises(MoveError, match="git is missing"):
        move(checkout)


# --- the comparison


def output(folder: Path, library: str, source: str, **more: Any) -> Path:
    """Write what synthesis leaves."""
    for stack in STACKS:
        content = {
            "//": {"metadata": {"version": library}},
            "terraform": {"required_providers": {"google": {"source": source, "version": "6.50.0"}}},
            "resource": {"a": {"b": {"list": [1, {"deep": None}], "empty": {}, "none": []}}},
            **more,
        }
        file = folder / "stacks" / stack / "cdk.tf.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content), encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps({"version": library}), encoding="utf-8")
    (folder / "stacks" / "mesh" / "a.sh").write_text("true\n", encoding="utf-8")
    return folder


def compared(before: Path, after: Path) -> Comparison:
    found = Comparison()
    found.add(before, after)
    return found


def test_what_may_differ(tmp_path: Path) -> None:
    found = compared(output(tmp_path / "a", "0.21.0", "google"), output(tmp_path / "b", "0.23.4", "hashicorp/google"))
    assert (found.stacks, found.wrong) == (4, [])
    assert found.same == 4 * 5 + 1, "of each stack a version, two list entries and two empty ones, and a script"
    assert dict(found.allowed) == {"the library's own version": 5, "the spelling of a provider's source": 4}


@pytest.mark.parametrize(
    ("more", "places"),
    [
        ({"output": {"a": 1}}, ["output"]),
        (
            {"resource": {"a": {"b": {"list": [1, {"deep": 0}], "empty": {}, "none": []}}}},
            ["resource.a.b.list[1].deep"],
        ),
        (
            {"resource": {"a": {"b": {"list": [True, {"deep": None}], "empty": {}, "none": []}}}},
            ["resource.a.b.list[0]"],
        ),
        ({"resource": {"a": {"b": {"list": [1], "empty": {}, "none": []}}}}, ["resource.a.b.list"]),
        ({"resource": {"a": {"b": {"list": [1, {"deep": None}], "empty": [], "none": []}}}}, ["resource.a.b.empty"]),
        ({"resource": {"a": {"b": {"list": [1, {"deep": None}], "none": []}}}}, ["resource.a.b.empty"]),
        ({"//": {"metadata": {"version": 1}}}, ["//.metadata.version"]),
        ({"//": {"version": "0.23.4"}}, ["//.metadata", "//.version"]),
        (
            {"terraform": {"required_providers": {"google": {"source": "acme/google", "version": "6.50.0"}}}},
            ["terraform.required_providers.google.source"],
        ),
        (
            {"terraform": {"required_providers": {"google": {"source": "hashicorp/google", "version": "6.51.0"}}}},
            ["terraform.required_providers.google.version"],
        ),
    ],
)
def test_what_may_not_differ(more: dict[str, Any], places: list[str], tmp_path: Path) -> None:
    found = compared(
        output(tmp_path / "a", "0.21.0", "google"), output(tmp_path / "b", "0.23.4", "hashicorp/google", **more)
    )
    assert sorted(one.place for one in found.wrong) == sorted(
        f"stacks/{stack}/cdk.tf.json: {place}" for stack in STACKS for place in places
    )


def conditions(command: str) -> dict[str, Any]:
    """Return a resource with a condition that names a command."""
    text = f"not so: `{command} destroy mesh`, and deploy"
    return {"resource": {"a": {"b": {"lifecycle": {"precondition": [{"error_message": text}]}, "text": text}}}}


def test_a_command_may_have_its_new_name_in_a_condition_only(tmp_path: Path) -> None:
    before = output(tmp_path / "a", "1", "google", **conditions("cdktf"))
    found = compared(before, output(tmp_path / "b", "2", "hashicorp/google", **conditions("cdktn")))
    assert found.allowed["the command's name in what a condition says"] == 4
    assert [one.place for one in found.wrong] == [
        f"stacks/{one}/cdk.tf.json: resource.a.b.text" for one in sorted(STACKS)
    ]
    found = compared(before, output(tmp_path / "c", "2", "hashicorp/google", **conditions("rm")))
    assert len(found.wrong) == 8


def test_files_are_compared_too(tmp_path: Path) -> None:
    before, after = output(tmp_path / "a", "1", "google"), output(tmp_path / "b", "2", "hashicorp/google")
    (after / "stacks" / "mesh" / "a.sh").write_text("false\n", encoding="utf-8")
    (before / "stacks" / "mesh" / "more.json").write_text("{}", encoding="utf-8")
    found = compared(before, after)
    assert [one.place for one in found.wrong] == ["stacks/mesh/a.sh: ", "stacks/mesh/more.json: "]
    assert str(found.wrong[0]).splitlines()[1:] == ['    cdktf: "true\\n"', '    cdktn: "false\\n"']


def test_a_missing_stack_is_no_agreement(tmp_path: Path) -> None:
    before, after = output(tmp_path / "a", "1", "google"), output(tmp_path / "b", "1", "google")
    for folder in (before, after):
        (folder / "stacks" / "mesh" / "cdk.tf.json").unlink()
    with pytest.raises(CompareError, match="has no stack mesh"):
        compared(before, after)


def test_the_environments_that_are_compared(tmp_path: Path) -> None:
    assert set(environments(ROOT)) >= {"mesh.yaml", "tests/synthesis/environments/three-regions.yaml"}
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "one.yaml").touch()
    assert environments(tmp_path) == ["examples/one.yaml", "mesh.yaml"]


@pytest.mark.parametrize(
    ("comparison", "status"),
    [
        (Comparison(4, 10), 0),
        (Comparison(4, 10, plans={"network": ""}), 0),
        (Comparison(4, 10, plans={"network": "", "clusters": "1 to change"}), 1),
        (Comparison(4, 10, unplanned="terraform is not on this machine"), 0),
        (Comparison(0, 0), 1),
        (Comparison(4, 0), 1),
        (Comparison(4, 10, wrong=[compare_cdktn.Difference("stacks/mesh/cdk.tf.json: a", 1, 2)]), 1),
        (CompareError("no route to host"), 1),
    ],
)
def test_the_exit_status(
    comparison: Comparison | CompareError,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def compare() -> Comparison:
        if isinstance(comparison, CompareError):
            raise comparison
        return comparison

    monkeypatch.setattr(compare_cdktn, "compare", compare)
    assert compare_cdktn.main() == status
    printed = capsys.readouterr()
    if isinstance(comparison, CompareError):
        assert printed.err == "compare-cdktn: no route to host\n"
    else:
        assert f"{comparison.stacks} stacks compared" in printed.out
        for text in (comparison.unplanned, *comparison.plans.values()):
            assert text in printed.out
