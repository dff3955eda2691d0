"""The check of required tools: its messages, and that every other resource depends on it."""

import json
import re
from pathlib import Path

import pytest

from config.paths import ROOT
from tests.config.test_configuration import changed, problems_of
from tests.scripts.sandbox import SCRIPTS, Sandbox
from tests.synthesized import Synthesis, load_without_variables, synthesize

CHECKING = ("network", "mesh")


def required_tools() -> tuple[str, ...]:
    from constructs.required_tools import TOOLS  # noqa: PLC0415 (starts Node.js)

    return TOOLS


def inputs() -> dict[str, str]:
    return {"TOOLS": " ".join(required_tools()), "CONTROL_PLANE": "asmcli-managed"}


def test_a_machine_with_all_tools_passes(sandbox: Sandbox) -> None:
    run = sandbox.succeed("check-tools.sh", **inputs())
    assert run.calls == [], "nothing is called, only looked for"


@pytest.mark.parametrize(
    "missing", [("jq",), ("gcloud", "gke-gcloud-auth-plugin", "kubectl", "istioctl", "git", "csplit")]
)
def test_all_missing_tools_are_reported_with_both_solutions(sandbox: Sandbox, missing: tuple[str, ...]) -> None:
    for tool in missing:
        (sandbox.folder / "bin" / tool).unlink()
    run = sandbox.fail("check-tools.sh", **inputs())
    assert re.findall(r"^check-tools\.sh: (\S+) is missing on this machine \(required: \w", run.output, re.M) == [
        tool for tool in required_tools() if tool in missing
    ]
    assert "With mesh.control_plane: asmcli-managed, scripts" in run.output
    assert "set mesh.control_plane: fleet, which needs no tools" in run.output
    assert "run terraform on agents: your own machines with the tools" in run.output
    assert run.output.endswith("check-tools.sh: nothing was created\n")
    assert run.calls == []


def test_an_architecture_without_asmcli_is_reported(sandbox: Sandbox) -> None:
    sandbox.fake_tool("uname", "printf 'aarch64\\n'")
    run = sandbox.fail("check-tools.sh", **inputs())
    assert "asmcli runs on x86_64 only, and this machine is aarch64" in run.output
    assert "set mesh.control_plane: fleet" in run.output


def test_required_tools_are_those_of_all_scripts() -> None:
    used: set[str] = set()
    for script in SCRIPTS.glob("*.sh"):
        for line in re.findall(r"^ *require_tools (.+)$", script.read_text(encoding="utf-8"), re.M):
            used |= {word for word in line.split() if '"' not in word}
    tools = required_tools()
    assert set(tools) == used
    assert len(tools) == len(set(tools)) > 10


def test_every_other_resource_of_network_and_mesh_depends_on_the_check(reference: Synthesis) -> None:
    for stack in CHECKING:
        dependencies = _dependencies(reference, stack)
        (check,) = [name for name in dependencies if name.startswith("null_resource.tools")]
        assert dependencies.pop(check) == set()
        assert len(dependencies) > 5
        assert [name for name, others in dependencies.items() if check not in others] == []


def test_mode_fleet_needs_no_tool_and_has_no_check(tmp_path: Path) -> None:
    fleet = synthesize(load_without_variables(ROOT / "examples" / "fleet.yaml"), tmp_path)
    assert "local-exec" not in json.dumps(fleet.stacks)
    assert not list(fleet.outdir.rglob("*.sh"))
    assert "null" not in fleet.stacks["network"]["terraform"]["required_providers"]


REMOTE = {"type": "cloud", "organization": "acme", "execution": "remote"}


@pytest.mark.parametrize("mode", ["asmcli-managed", "asmcli-in-cluster"])
def test_a_mode_with_tools_is_refused_for_remote_runs(mode: str) -> None:
    data = changed("backend", REMOTE)
    data["mesh"] = {"control_plane": mode}
    found = problems_of(data)["backend.execution"]
    for part in ("no gcloud, kubectl or istioctl", f"mesh.control_plane: {mode}", "mesh.control_plane: fleet", "agent"):
        assert part in found


def test_mode_fleet_is_accepted_for_remote_runs() -> None:
    data = changed("backend", REMOTE)
    data["mesh"] = {"control_plane": "fleet"}
    assert "backend.execution" not in problems_of(data)


def _dependencies(synthesis: Synthesis, stack: str) -> dict[str, set[str]]:
    """Return all direct and indirect dependencies of each resource of a stack."""
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

    def all_dependencies(name: str, seen: set[str]) -> set[str]:
        for other in direct[name] - seen:
            seen.add(other)
            all_dependencies(other, seen)
        return seen

    return {name: all_dependencies(name, set()) for name in named}
