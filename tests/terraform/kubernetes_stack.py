"""The Kubernetes objects of a synthesized environment, applied by terraform to an API server on this machine."""

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.synthesized import read_stack
from tests.synthesized import Synthesis
from tests.terraform.terraform import Result, error_of, initialized, run_terraform, terraform

TYPES = ("kubernetes_config_map_v1_data", "kubernetes_labels", "kubernetes_manifest")
"""The types of resources that apply to an object. A test compares them with those that the stacks have."""

Resources = dict[str, dict[str, Any]]
"""Resources by type and name, as in a stack's JSON."""


def region_resources(synthesis: Synthesis, region: str, *stacks: str) -> Resources:
    """Return the resources of a region's cluster, without references to what is not Kubernetes'."""
    found: Resources = {one: {} for one in TYPES}
    for stack in stacks:
        for kind in TYPES:
            for name, block in synthesis.all(stack, kind).items():
                if block["provider"] == f"kubernetes.{region}":
                    found[kind][name] = _standalone(block)
    return found


def _standalone(block: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in block.items() if key not in ("depends_on", "provider")}
    before = [one for one in block.get("depends_on", []) if one.partition(".")[0] in TYPES]
    text = re.sub(r"(?<!\$)\$\{[^}]*\}", "192.0.2.1", json.dumps(kept))
    return {**json.loads(text), **({"depends_on": before} if before else {})}


class KubernetesStack:
    """A stack with nothing but Kubernetes objects, and its state.

    Attributes:
        folder: in which terraform runs.
        resources: what the next deploy applies; tests change it as a change of the file would.
        moved: addresses of objects that the state may have under others, as in a stack's JSON.
    """

    def __init__(self, folder: Path, synthesis: Synthesis, resources: Resources, kubeconfig: Path) -> None:
        self.folder = folder
        self._versions = read_stack(synthesis.outdir, "ingress")["terraform"]["required_providers"]["kubernetes"]
        self._kubeconfig = kubeconfig
        self.resources = copy.deepcopy(resources)
        self.moved: list[dict[str, str]] = []
        self._write()
        initialized(folder)

    @property
    def state(self) -> Path:
        """The file of the state."""
        return self.folder / "terraform.tfstate"

    def _write(self) -> None:
        content = {
            "terraform": {"required_providers": {"kubernetes": self._versions}},
            "provider": {"kubernetes": {"config_path": str(self._kubeconfig)}},
            "resource": {kind: named for kind, named in self.resources.items() if named},
            **({"moved": self.moved} if self.moved else {}),
        }
        (self.folder / "cdk.tf.json").write_text(json.dumps(content, indent=2), encoding="utf-8")

    def manifests(self, kind: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the manifests, of one kind or all, by the name of their resource."""
        found = self.resources["kubernetes_manifest"]
        return {name: one["manifest"] for name, one in found.items() if kind in (None, one["manifest"]["kind"])}

    def try_deploy(self) -> Result:
        self._write()
        return terraform(self.folder, "apply", "-auto-approve")

    def deploy(self) -> str:
        """Apply, which has to succeed, after which the plan has to be empty; return the output."""
        self._write()
        output = run_terraform(self.folder, "apply", "-auto-approve")
        after = terraform(self.folder, "plan", "-detailed-exitcode")
        assert after.returncode == 0, after.stdout[-3000:] + after.stderr[-3000:]
        return output

    def fail(self) -> str:
        """Apply, which has to fail, and return the output as one line."""
        return error_of(self.try_deploy())
