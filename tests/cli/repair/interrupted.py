"""An environment whose terraform was interrupted: a fake terraform that has states, and records what it is to do."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.repair.resources import candidates
from cli.sources.synthesized import Synthesized
from cli.sources.terraform import StackFolder
from config.apis import APIS
from config.naming import MANIFEST_ANNOTATION, STACKS
from config.output_folder import RECORD
from tests.cli.doctor.diagnosis import CONFIGURATION, INSTALLER, PROJECT, log_in
from tests.cli.emulated_project import Body, EmulatedProject, emulated_project
from tests.synthesized import Synthesis, synthesize

TERRAFORM = r"""
stack="${1##*/}"; home="${0%/bin/*}"
case "$2 $3" in
  "state pull") [ ! -e "$home/state.$stack" ] || cat "$home/state.$stack" ;;
  "state rm")
    state="$home/terraform.$stack.tfstate"
    if [ -s "$state" ]; then case "$(cat "$state")" in *"}") ;; *)  # it can't read what is cut off
      printf 'Error: Error acquiring the state lock\n\nError message: 2 problems:\n' >&2; exit 1
    esac; fi
    if [ -s "$home/locked.$stack" ]; then cat "$home/locked.$stack" >&2; exit 1; fi
    echo "Would have removed nothing." ;;
  "force-unlock "*) : >"$home/locked.$stack" ;;
  *) [ ! -e "$home/refuses" ] || { echo "Error: no" >&2; exit 1; } ;;
esac
"""

KUBECTL = """
case "$*" in
  *api-resources*) printf '%s\\n' "deployments deploy apps/v1 true Deployment" "namespaces ns v1 false Namespace" ;;
  *tokyo*" --all-namespaces "*)
    [ ! -e "{0}/meanwhile" ] || . "{0}/meanwhile"
    [ ! -e "{0}/list" ] && echo '{{"items": []}}' || cat "{0}/list" ;;
  *" --all-namespaces "*) echo '{{"items": []}}' ;;
  *" delete "*) echo "$*" >>"{0}/deleted"; [ ! -e "{0}/refuses" ] || {{ echo "Error from server: no" >&2; exit 1; }} ;;
  *osaka*"get --filename -"* | *osaka*" get "*) ;;
  *"get --filename -"*) cat >/dev/null; [ ! -e "{0}/rows" ] || cat "{0}/rows" ;;
  *"get configmaps"*) echo "Error from server (NotFound): no" >&2; exit 1 ;;
  *"get secret "*) ;;
  *" get "*) cat "{0}/object" ;;
  *) echo "Client Version: v1.32.4" ;;
esac
"""


@dataclass
class Interrupted:
    """A deployed environment.

    Attributes:
        project: with the fake programs.
        synthesis: of its stacks.
        states: terraform's states: resources by stack.
    """

    project: EmulatedProject
    synthesis: Synthesis
    states: dict[str, list[Body]]

    @classmethod
    def of(cls, project: EmulatedProject, synthesis: Synthesis) -> "Interrupted":
        """Deploy, and give terraform states of all stacks."""
        project.deploy(known=False)
        shutil.copytree(synthesis.outdir, project.folder / "cdktf.out", ignore=shutil.ignore_patterns("assets"))
        (project.folder / "cdktf.out" / RECORD).write_text(str(project.config.resolve()) + "\n", encoding="utf-8")
        project.variables["CDKTF_OUTDIR"] = str(project.folder / "cdktf.out")
        states = {}
        for stack, content in synthesis.stacks.items():
            folder = project.folder / "cdktf.out" / "stacks" / stack
            (folder / ".terraform").mkdir()
            (folder / ".terraform.lock.hcl").touch()
            states[stack] = [
                _in_state(type_, name, one)
                for type_, resources in content.get("resource", {}).items()
                for name, one in resources.items()
                if type_ != "null_resource"
            ]
        project.fake_program("terraform", TERRAFORM)
        project.fake_program("kubectl", KUBECTL.format(project.folder))
        found = cls(project, synthesis, states)
        found._describe()
        return found

    def _describe(self) -> None:
        """Give the resources in the cloud what proves that they are ours."""
        synthesized = Synthesized(self.synthesis.outdir, self.synthesis.stacks)
        folders = {stack: StackFolder(stack, self.synthesis.outdir / "stacks" / stack) for stack in STACKS}
        network = f"projects/{self.project.id}/global/networks/{self.project.environment.names.vpc}"
        store = self.project.server.cloud.store
        for one in candidates(self.project.environment, synthesized, folders):
            if one.resource.parent:
                continue
            live = store.get(one.resource.path)
            if one.adoption.description is not None:
                argument, field = one.adoption.description
                live[field] = one.arguments[argument]
            if one.adoption.on_network:
                live["network"] = (
                    network if "/clusters/" not in one.resource.path else self.project.environment.names.vpc
                )

    def lose(self, address: str) -> None:
        """Remove a resource from the states."""
        type_, _, name = address.partition(".")
        before = sum(map(len, self.states.values()))
        for stack, resources in self.states.items():
            self.states[stack] = [one for one in resources if (one["type"], one["name"]) != (type_, name)]
        assert sum(map(len, self.states.values())) == before - 1

    def rename(self, address: str, **attributes: str) -> None:
        """Have the states contain a resource under another address, as of another version of the stacks."""
        type_, _, name = address.partition(".")
        for resources in self.states.values():
            for one in resources:
                if (one["type"], one["name"]) == (type_, name):
                    one["name"] = "renamed"
                    one["instances"][0]["attributes"] |= attributes

    def address(self, type_: str, part: str = "") -> str:
        """Return the only address of a type whose name has a part."""
        names = [one["name"] for resources in self.states.values() for one in resources if one["type"] == type_]
        (name,) = [name for name in names if part in name]
        return f"{type_}.{name}"

    def taint(self, address: str) -> None:
        type_, _, name = address.partition(".")
        for resources in self.states.values():
            for one in resources:
                if (one["type"], one["name"]) == (type_, name):
                    one["instances"][0]["status"] = "tainted"

    def lock(self, stack: str, holder: str) -> None:
        """Have a terraform hold the lock of a state, which a user has started on a machine: ``USER@MACHINE``."""
        text = f"Error: Error acquiring the state lock\n\nLock Info:\n  ID:        12-34\n  Who:       {holder}\n"
        (self.project.folder / f"locked.{stack}").write_text(text, encoding="utf-8")

    def write_states(self) -> None:
        """Have terraform return the states."""
        for stack, resources in self.states.items():
            content = json.dumps({"version": 4, "resources": resources})
            (self.project.folder / f"state.{stack}").write_text(content, encoding="utf-8")

    def repair(self, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
        """Run `mesh repair --json`, and return its status and the findings by name."""
        self.write_states()
        result = self.project.run("repair", "--json", *arguments)
        report = json.loads(result.stdout)
        assert "error" not in report, report["error"]
        found = {one["name"]: one for section in report["sections"] for one in section["findings"]}
        return result.returncode, found

    def done(self) -> list[str]:
        """Return what terraform has changed: its commands without the folder."""
        calls = [
            line.split(" ", 2)[2] for line in self.project.calls().splitlines() if line.startswith("terraform -ch")
        ]
        return [call for call in calls if not call.startswith("state ")]


@contextmanager
def interrupted_project(folder: Path, synthesis: Synthesis | None = None) -> Iterator[Interrupted]:
    """Deploy everything, with all of it in the states.

    Args:
        folder: of the project.
        synthesis: of `CONFIGURATION`; a new one if absent.
    """
    (folder / "asmcli").write_bytes(INSTALLER)
    with emulated_project(folder, CONFIGURATION, PROJECT) as project:
        project.enable(*APIS, "cloudbilling")
        log_in(project)
        if synthesis is None:
            (folder / "new").mkdir()
            synthesis = synthesize(project.environment, folder / "new")
        yield Interrupted.of(project, synthesis)


def _in_state(type_: str, name: str, one: dict[str, Any]) -> Body:
    attributes: Body = {"id": name, "name": one.get("name")}
    provider = 'provider["registry.terraform.io/hashicorp/x"]'
    if type_ == "kubernetes_manifest":
        attributes["manifest"] = {"value": one["manifest"]}
        provider += f".{one['provider'].removeprefix('kubernetes.')}"
    instances = [{"attributes": attributes}]
    return {"mode": "managed", "type": type_, "name": name, "provider": provider, "instances": instances}


def live_object(manifest: Body, *, ours: bool) -> Body:
    """Return an object as kubectl prints it."""
    annotations = {MANIFEST_ANNOTATION: json.dumps(manifest)} if ours else {}
    created = {"creationTimestamp": "2026-11-28T03:00:00Z"}
    return {**manifest, "metadata": {**manifest["metadata"], **created, "annotations": annotations}}
