"""The page of exercises can be read, and what differs from it is noticed; the exercises themselves are `make lab`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.lab import deploy
from tests.lab.exercises import Problem, _repairs, differences, exercises, first_commands, look, matches, shows

MISSING = "failure Service sample/helloworld: missing"


def test_the_page_has_exercises() -> None:
    found = exercises()
    assert len(found) >= 15
    assert len({one.title for one in found}) == len(found)
    assert all(one.breakage and one.expected and one.repair for one in found)
    assert any(one.advised for one in found)
    assert len(first_commands()) >= 5


def test_text_that_the_page_leaves_out() -> None:
    assert matches("a … c", "a b\nb c")
    assert not matches("a … c", "a b")
    assert not matches("a.c", "abc")


def test_an_output_has_the_lines_of_the_page_in_their_order() -> None:
    output = "NAME     STATUS\nsleep-1  HEALTHY\nother    HEALTHY\n"
    assert shows("NAME STATUS\n…\nother  …", output)
    assert not shows("other …\nNAME STATUS", output)
    assert not shows("sleep-… UNHEALTHY", output)


@pytest.mark.parametrize(
    ("expected", "found", "notes"),
    [
        ([MISSING], [MISSING], []),
        (["failure Service …: missing"], [MISSING], []),
        ([MISSING], [], [f"not reported: {MISSING}"]),
        ([], [MISSING], [f"also reported: {MISSING}"]),
    ],
)
def test_each_finding_is_compared(expected: list[str], found: list[str], notes: list[str]) -> None:
    assert differences(expected, [Problem(line, "") for line in found]) == notes


def test_an_advised_repair_is_what_the_cli_has_printed() -> None:
    exercise = next(one for one in exercises() if one.advised)
    assert list(_repairs(exercise, [Problem("failure a", "another command")])) == []
    given = [command.text.replace("\\\n", "").replace("…", "x") for command in exercise.repair]
    assert list(_repairs(exercise, [Problem("failure a", fix) for fix in given])) == given


def test_what_a_command_reports(tmp_path: Path) -> None:
    findings = [{"name": state, "state": state, "text": "t", "fix": "f"} for state in ("ok", "warning", "failure")]
    (tmp_path / "report").write_text(json.dumps({"sections": [{"findings": findings}]}), encoding="utf-8")
    variables = {"PATH": "/usr/bin:/bin"}
    found = look(f"cat {tmp_path}/report; true", variables)
    assert found == [Problem("warning warning: t", "f"), Problem("failure failure: t", "f")]
    [error] = look("echo broken >&2; false", variables)
    assert error.line.endswith(": broken")


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the objects that are applied, each after its region."""
    names: list[str] = []

    def run(command: list[str], **options: Any) -> None:
        names.append(f"{command[2]} {json.loads(options['input'])['metadata']['name']}")

    objects = [
        ("kubernetes_manifest.a", "tokyo", {"kind": "Service", "metadata": {"name": "a"}}),
        ("kubernetes_manifest.b", "osaka", {"kind": "Namespace", "metadata": {"name": "b"}}),
    ]
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(deploy, "_objects", lambda: iter(objects))
    return names


def test_a_deploy_in_the_lab_applies_all_objects_namespaces_first(applied: list[str]) -> None:
    assert deploy.main("cdktf", ["deploy", "ingress"]) == 0
    assert applied == ["osaka b", "tokyo a"]


@pytest.mark.parametrize(
    ("arguments", "status", "names"),
    [
        (["-chdir=x", "apply", "-target=kubernetes_manifest.a"], 0, ["tokyo a"]),
        (["apply", "-target=kubernetes_manifest.c"], 1, []),
        (["apply"], 2, []),
        (["destroy", "-target=kubernetes_manifest.a"], 2, []),
    ],
)
def test_terraform_in_the_lab_applies_what_it_is_told(
    arguments: list[str], status: int, names: list[str], applied: list[str]
) -> None:
    assert deploy.main("terraform", arguments) == status
    assert applied == names
