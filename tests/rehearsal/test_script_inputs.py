"""Tests of the scripts that the rehearsal without terraform runs: which, in which order, with which inputs."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.sources.synthesized import Synthesized, read_folder
from config.paths import ROOT
from tests.local_mesh.errors import LocalMeshError
from tests.rehearsal.script_inputs import Job, ScriptInputs, run_job
from tests.synthesized import ENVIRONMENTS, Synthesis

DEPLOY_SCRIPTS = [
    "check-tools.sh",
    "install-mesh.sh",
    "create-remote-secret.sh",
    "check-remote-secret.sh",
    "wait-for-crds.sh",
]
DESTROY_SCRIPTS = ["delete-remote-secret.sh", "remove-mesh.sh"]
REQUIRED = re.compile(r'"\$\{(\w+):\?\}"')


def read_cluster(location: str, name: str) -> Mapping[str, Any]:
    return {
        "endpoint": f"public.{name}",
        "privateClusterConfig": {"privateEndpoint": f"private.{location}"},
        "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": f"dns.{name}"}},
        "masterAuth": {"clusterCaCertificate": f"CA of {name}"},
    }


def required_inputs(script: str) -> set[str]:
    """Return the variables without which a script ends."""
    folder = ROOT / "scripts"
    return {name for file in ("lib.sh", script) for name in REQUIRED.findall((folder / file).read_text("utf-8"))}


@pytest.fixture
def stacks(reference: Synthesis) -> Synthesized:
    """All stacks of the sample environment."""
    return read_folder(reference.outdir)


def by_script(groups: list[list[Job]]) -> dict[str, list[Job]]:
    return {group[0].script: group for group in groups}


def test_scripts_run_in_the_order_of_their_dependencies(stacks: Synthesized) -> None:
    inputs = ScriptInputs(stacks, read_cluster)
    scripts = [group[0].script for group in inputs.jobs("mesh")]
    assert sorted(scripts) == sorted(DEPLOY_SCRIPTS)
    assert [script for script in scripts if script != "check-tools.sh"] == DEPLOY_SCRIPTS[1:]
    assert [group[0].script for group in inputs.jobs("mesh", destroy=True)] == DESTROY_SCRIPTS
    assert inputs.jobs("ingress") == []
    ((cleanup,),) = inputs.jobs("ingress", destroy=True)
    assert cleanup.script == "wait-for-load-balancer-cleanup.sh"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_input_that_a_script_requires_has_a_value(synthesized: Callable[[str], Synthesis], name: str) -> None:
    inputs = ScriptInputs(read_folder(synthesized(name).outdir), read_cluster)
    groups = [
        group
        for stack in ("mesh", "ingress")
        for destroy in (False, True)
        for group in inputs.jobs(stack, destroy=destroy)
    ]
    for job in (job for group in groups for job in group):
        assert (job.folder / job.command.split()[-1]).is_file()
        assert {key for key, value in job.inputs.items() if value} >= required_inputs(job.script), job.script
        assert not [value for value in job.inputs.values() if "${" in value]


def test_inputs_come_from_the_clusters_and_from_other_scripts(stacks: Synthesized) -> None:
    jobs = by_script(ScriptInputs(stacks, read_cluster).jobs("mesh"))
    osaka, tokyo = jobs["install-mesh.sh"]
    assert (osaka.inputs["CLUSTER"], tokyo.inputs["CLUSTER"]) == ("matt-osaka-cluster-1", "matt-tokyo-cluster-1")
    assert tokyo.inputs["IDENTITY"] == hashlib.sha256(b"CA of matt-tokyo-cluster-1").hexdigest()
    grant = jobs["create-remote-secret.sh"][0].inputs
    assert (grant["HOLDER_CLUSTER"], grant["REMOTE_CLUSTER"]) == ("matt-osaka-cluster-1", "matt-tokyo-cluster-1")
    assert grant["REMOTE_SERVER"] == "https://private.asia-northeast1"
    content = json.loads(grant["HOLDER_KUBECONFIG"])
    server = {
        "server": "https://public.matt-osaka-cluster-1",
        "certificate-authority-data": "CA of matt-osaka-cluster-1",
    }
    assert content["clusters"] == [{"name": "matt-osaka-cluster-1", "cluster": server}]
    # What the check looks for is what the installation leaves.
    assert [job.inputs["MARKER"] for job in jobs["wait-for-crds.sh"]] == [
        osaka.inputs["INPUTS"],
        tokyo.inputs["INPUTS"],
    ]
    assert jobs["check-remote-secret.sh"][0].inputs["MARKER"] == grant["INPUTS"]
    assert osaka.inputs["INPUTS"] != tokyo.inputs["INPUTS"]


def changed(stacks: Synthesized, before: str, after: str) -> Synthesized:
    """Return the stacks with some text of `mesh` replaced."""
    text = json.dumps(stacks.stacks["mesh"])
    assert before in text
    return replace(stacks, stacks={**stacks.stacks, "mesh": json.loads(text.replace(before, after))})


def test_a_changed_stack_reaches_the_script(stacks: Synthesized) -> None:
    other = changed(stacks, '"CHANNEL": "${each.value.channel}"', '"CHANNEL": "x-${each.value.channel}"')
    before, after = (ScriptInputs(one, read_cluster).jobs("mesh") for one in (stacks, other))
    assert by_script(before)["install-mesh.sh"][0].inputs["CHANNEL"] == "stable"
    assert by_script(after)["install-mesh.sh"][0].inputs["CHANNEL"] == "x-stable"


@pytest.mark.parametrize("expression", ["${each.value.channel == 1}", "${var.channel}", "${sha1(each.value.channel)}"])
def test_an_unknown_expression_is_an_error(stacks: Synthesized, expression: str) -> None:
    other = changed(stacks, "${each.value.channel}", expression)
    with pytest.raises(LocalMeshError, match="evaluated without terraform"):
        ScriptInputs(other, read_cluster).jobs("mesh")


def test_escaped_text_reaches_a_script_as_written(stacks: Synthesized) -> None:
    other = changed(stacks, '"channel": "stable"', '"channel": "$${HOME}%%{x}"')
    assert (
        by_script(ScriptInputs(other, read_cluster).jobs("mesh"))["install-mesh.sh"][0].inputs["CHANNEL"]
        == "${HOME}%{x}"
    )


def test_a_job_runs_in_its_folder_with_its_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("echo $CLUSTER $REGION $PWD >&2; exit 3\n", encoding="utf-8")
    job = Job("a.sh", ["sh"], "a.sh", tmp_path, {"CLUSTER": "one"})
    result = run_job(job, {"PATH": "/usr/bin:/bin", "CLUSTER": "other", "REGION": "tokyo"}, tmp_path / "log")
    assert (result.status, result.output) == (3, f"one tokyo {tmp_path}\n")
    assert (tmp_path / "log").read_text(encoding="utf-8") == f"$ a.sh\n{result.output}status 3\n\n"
