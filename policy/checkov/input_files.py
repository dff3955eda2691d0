"""Writes an environment in a form that checkov reads completely."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from config.naming import STACKS
from policy.synthesis import Stacks

TERRAFORM = "terraform"
MANIFESTS = "manifests"


def write_input(stacks: Stacks, roles: Mapping[str, str], folder: Path) -> None:
    """Write an environment as checkov needs it.

    - Without ``terraform.required_version``: with it checkov 3.3 reads nothing at all of the
      file ("this method receives only dicts"), counts a parsing error, and exits with 0.
    - With the Kubernetes objects as YAML: checkov's own checks don't see them inside a ``kubernetes_manifest``.
      An object's folder is its role.

    Args:
        stacks: the environment to write.
        roles: of the objects that have pods, by the name of the resource.
        folder: created here.
    """
    folder.mkdir(parents=True)
    for stack in STACKS:
        content = stacks[stack]
        copy = {**content, "terraform": {**content["terraform"]}}
        del copy["terraform"]["required_version"]
        copy.pop("ephemeral", None)
        target = folder / TERRAFORM / stack / "cdk.tf.json"
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps(copy, indent=1), encoding="utf-8")
        for name, resource in content.get("resource", {}).get("kubernetes_manifest", {}).items():
            target = folder / MANIFESTS / roles.get(name, "other") / f"{stack}-{name}.yaml"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(yaml.safe_dump(resource["manifest"]), encoding="utf-8")
