"""`mesh doctor`: objects in the clusters that are missing from terraform's state."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.sources.remediation import REPAIR
from tests.cli.doctor.diagnosis import KUBECTL_CASES, Body, expect
from tests.cli.emulated_project import EmulatedProject
from tests.synthesized import synthesize


@dataclass(frozen=True)
class UntrackedObjects:
    """Objects in Tokyo's cluster that are not in terraform's state.

    Attributes:
        project: The project.
        folder: The synthesized output.
    """

    project: EmulatedProject
    folder: Path

    def reply(self, script: str) -> None:
        """Have kubectl keep its input, and run a few lines of shell."""
        keep = f'cat >"{self.project.folder}/asked.$$"'
        others = KUBECTL_CASES.format("true")
        self.project.fake_program("kubectl", f'case "$*" in *"get --filename -"*) {keep}; {script} ;; {others} esac')

    def asked(self) -> list[Body]:
        files = self.project.folder.glob("asked.*")
        return [one for file in files for one in json.loads(file.read_text(encoding="utf-8"))["items"]]


@pytest.fixture
def untracked(project: EmulatedProject) -> UntrackedObjects:
    """Everything is deployed, and terraform's state of `ingress` has all objects but two of Tokyo's."""
    project.deploy()
    made = synthesize(project.environment, project.folder)
    project.variables["CDKTF_OUTDIR"] = str(made.outdir)
    known = {
        name
        for name, one in made.all("ingress", "kubernetes_manifest").items()
        if not (one["provider"] == "kubernetes.tokyo" and one["manifest"]["kind"] in ("Gateway", "Namespace"))
    }
    assert len(known) > 30
    project.write_resources("ingress", "kubernetes_manifest", [(name, {}) for name in sorted(known)])
    return UntrackedObjects(project, made.outdir)


NAME = "tokyo: objects"
ROWS = "printf '%s\n' 'Namespace <none> sample' 'Gateway sample helloworld-gateway'"


def test_objects_that_terraform_has_lost(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.reply(ROWS)
    text = (
        "exist but are missing from the state, so the next deploy fails: Namespace sample, "
        "Gateway sample/helloworld-gateway"
    )
    assert expect(project, NAME, "failure", text, REPAIR).bad() == [NAME]
    # Those that terraform knows are not requested, and of the others no more than it takes to find them.
    asked = sorted((one["kind"], one["metadata"]["name"]) for one in untracked.asked())
    assert ("Gateway", "helloworld-gateway") in asked
    assert {kind for kind, _ in asked} == {"Gateway", "Namespace"}
    assert all(set(one) == {"apiVersion", "kind", "metadata"} for one in untracked.asked())


@pytest.mark.parametrize(
    "script",
    ["true", "echo 'unable to recognize no matches for kind \"Gateway\"' >&2; exit 1"],
    ids=["none", "no kind"],
)
def test_objects_that_are_still_to_be_made(project: EmulatedProject, untracked: UntrackedObjects, script: str) -> None:
    untracked.reply(script)
    assert expect(project, NAME, "ok", "no conflict").bad() == []
    assert untracked.asked()


def test_objects_of_another_synthesis_are_not_compared(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.reply(ROWS)
    (untracked.folder / "elsewhere").mkdir()
    synthesize(project.environment, untracked.folder / "elsewhere")
    for folder in (untracked.folder / "elsewhere" / "cdktf.out", project.folder / "nothing"):
        assert expect(project, NAME, "ok", "not compared...", "...", CDKTF_OUTDIR=str(folder)).bad() == []
    assert untracked.asked() == []


def test_objects_that_are_not_told(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.reply("echo 'error: (Forbidden): no' >&2; exit 1")
    text, fix = (
        "can't read them: error: (Forbidden): no",
        "have roles/container.admin granted to you, and run the command again",
    )
    assert expect(project, NAME, "...", text, fix).bad() == [NAME]
