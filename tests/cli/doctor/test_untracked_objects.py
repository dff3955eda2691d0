"""`mesh doctor`: objects in the clusters that are missing from terraform's state."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.backend import state_file
from tests.cli.doctor.diagnosis import KUBECTL_CASES, PROJECT, TOKYO, Body, diagnose
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

    def tell(self, reply: str) -> None:
        """Have kubectl keep its input, and run a few lines of shell."""
        keep = f'cat >"{self.project.folder}/asked.$$"'
        others = KUBECTL_CASES.format("true")
        self.project.fake_program("kubectl", f'case "$*" in *"get --filename -"*) {keep}; {reply} ;; {others} esac')

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
    resources = [
        {"mode": "managed", "type": "kubernetes_manifest", "name": name, "instances": [{"attributes": {}}]}
        for name in sorted(known)
    ]
    state = json.dumps({"version": 4, "resources": resources})
    state_file(project.config, "ingress").write_text(state, encoding="utf-8")
    return UntrackedObjects(project, made.outdir)


ROWS = "printf '%s\n' 'Namespace <none> sample' 'Gateway sample helloworld-gateway'"


def test_objects_that_terraform_has_lost(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.tell(ROWS)
    found = diagnose(project)
    assert found.bad() == ["tokyo: objects"]
    kubectl = f"kubectl --context gke_{PROJECT}_{TOKYO}_acme-tokyo-cluster-1"
    assert found.of("tokyo: objects") == (
        "failure",
        "there, not in terraform's state, and the next deploy would stop at it: Namespace sample, "
        "Gateway sample/helloworld-gateway; delete it if nobody needs it, "
        "but look first: a Namespace goes with all that is in it",
        f"{kubectl} --namespace sample delete --ignore-not-found gateway.networking.istio.io/helloworld-gateway && "
        f"{kubectl} delete --ignore-not-found namespace/sample",
    )
    # Those that terraform knows are not asked for, and of the others no more than it takes to find them.
    asked = sorted((one["kind"], one["metadata"]["name"]) for one in untracked.asked())
    assert ("Gateway", "helloworld-gateway") in asked
    assert {kind for kind, _ in asked} == {"Gateway", "Namespace"}
    assert all(set(one) == {"apiVersion", "kind", "metadata"} for one in untracked.asked())


@pytest.mark.parametrize("reply", ["true", "echo 'unable to recognize no matches for kind \"Gateway\"' >&2; exit 1"])
def test_objects_that_are_still_to_be_made(project: EmulatedProject, untracked: UntrackedObjects, reply: str) -> None:
    untracked.tell(reply)
    found = diagnose(project)
    assert found.bad() == []
    assert found.of("tokyo: objects") == ("ok", "terraform's own, or still to be made", "")
    assert untracked.asked()


def test_objects_of_another_synthesis_are_not_compared(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.tell(ROWS)
    (untracked.folder / "elsewhere").mkdir()
    synthesize(project.environment, untracked.folder / "elsewhere")
    for folder in (untracked.folder / "elsewhere" / "cdktf.out", project.folder / "nothing"):
        found = diagnose(project, CDKTF_OUTDIR=str(folder))
        assert found.bad() == []
        assert found.of("tokyo: objects")[1].startswith("not compared")
    assert untracked.asked() == []


def test_objects_that_are_not_told(project: EmulatedProject, untracked: UntrackedObjects) -> None:
    untracked.tell("echo 'error: (Forbidden): no' >&2; exit 1")
    found = diagnose(project)
    assert found.bad() == ["tokyo: objects"]
    assert found.of("tokyo: objects")[1:] == (
        "not told by the cluster: error: (Forbidden): no",
        "have roles/container.admin granted to you, and try again",
    )
