"""The look for tools, before anything is made: what it says, and that all else waits for it."""

import json
import re
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.config.test_configuration import changed, problems_of
from tests.scripts.sandbox import SCRIPTS, Run, Sandbox
from tests.synthesized import Synthesis, load_without_variables, synthesize

CHECKING = ("network", "mesh")


def required_tools() -> tuple[str, ...]:
    from constructs.required_tools import TOOLS  # noqa: PLC0415 (starts Node.js)

    return TOOLS


def check_tools(sandbox: Sandbox) -> Run:
    return sandbox.run("check-tools.sh", TOOLS=" ".join(required_tools()), CONTROL_PLANE="asmcli-managed")


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_a_machine_that_has_all(sandbox: Sandbox) -> None:
    run = check_tools(sandbox)
    assert run.status == 0, run.output
    assert run.calls == [], "nothing is called, only looked for"
    assert sandbox.leftovers() == []


@pytest.mark.parametrize(
    "missing", [("jq",), ("gcloud", "gke-gcloud-auth-plugin", "kubectl", "istioctl", "git", "csplit")]
)
def test_all_that_is_missing_is_named_with_both_ways_out(sandbox: Sandbox, missing: tuple[str, ...]) -> None:
    for tool in missing:
        (sandbox.folder / "bin" / tool).unlink()
    run = check_tools(sandbox)
    assert run.status == 1
    assert re.findall(r"^check-tools\.sh: (\S+) is missing on this machine \(\w", run.output, re.M) == [
        tool for tool in required_tools() if tool in missing
    ]
    assert "With mesh.control_plane: asmcli-managed, scripts" in run.output
    assert "set mesh.control_plane: fleet, which needs no tools" in run.output
    assert "run terraform on agents: your own machines with the tools" in run.output
    assert run.output.endswith("check-tools.sh: nothing was created\n")
    assert run.calls == []


def test_a_machine_that_asmcli_does_not_run_on(sandbox: Sandbox) -> None:
    sandbox.stand_in("uname", "printf 'aarch64\\n'")
    run = check_tools(sandbox)
    assert run.status == 1
    assert "asmcli runs on x86_64 only, and this machine is aarch64" in run.output
    assert "set mesh.control_plane: fleet" in run.output


def test_they_are_the_tools_of_all_scripts() -> None:
    used: set[str] = set()
    for script in SCRIPTS.glob("*.sh"):
        for line in re.findall(r"^ *require_tools (.+)$", script.read_text(encoding="utf-8"), re.M):
            used |= {word for word in line.split() if '"' not in word}
    tools = required_tools()
    assert set(tools) == used
    assert len(tools) == len(set(tools)) > 10


def test_everything_in_the_first_stack_and_in_the_mesh_waits_for_it(reference: Synthesis) -> None:
    for stack in CHECKING:
        before = _before(reference, stack)
        (check,) = [name for name in before if name.startswith("null_resource.tools")]
        assert before.pop(check) == set()
        assert len(before) > 5
        assert [name for name, others in before.items() if check not in others] == []


def test_the_fleet_needs_no_tool_and_looks_for_none(tmp_path: Path) -> None:
    fleet = synthesize(load_without_variables(ROOT / "examples" / "fleet.yaml"), tmp_path)
    assert "local-exec" not in json.dumps(fleet.stacks)
    assert not list(fleet.outdir.rglob("*.sh"))
    assert "null" not in fleet.stacks["network"]["terraform"]["required_providers"]


REMOTE = {"type": "cloud", "organization": "acme", "execution": "remote"}


@pytest.mark.parametrize("way", ["asmcli-managed", "asmcli-in-cluster"])
def test_a_way_with_tools_is_refused_for_terraform_clouds_own_machines(way: str) -> None:
    data = changed("backend", REMOTE)
    data["mesh"] = {"control_plane": way}
    found = problems_of(data)["backend.execution"]
    for part in ("no gcloud, kubectl or istioctl", f"mesh.control_plane: {way}", "mesh.control_plane: fleet", "agent"):
        assert part in found


def test_the_fleet_is_not_refused_there() -> None:
    data = changed("backend", REMOTE)
    data["mesh"] = {"control_plane": "fleet"}
    assert "backend.execution" not in problems_of(data)


def _before(synthesis: Synthesis, stack: str) -> dict[str, set[str]]:
    """Return, for each resource of a stack, all that has to be there before it."""
    content = synthesis.stacks[stack]
    named = {
        f"{prefix}{kind}.{name}": json.dumps(one)
        for section, prefix in (("resource", ""), ("data", "data."))
        for kind, ones in content.get(section, {}).items()
        for name, one in ones.items()
        if kind != "terraform_remote_state"
    }
    direct = {
        name: {other for other in named if other != name and re.search(rf"(?<![\w.]){re.escape(other)}\b", text)}
        for name, text in named.items()
    }

    def all_before(name: str, seen: set[str]) -> set[str]:
        for other in direct[name] - seen:
            seen.add(other)
            all_before(other, seen)
        return seen

    return {name: all_before(name, set()) for name in named}
