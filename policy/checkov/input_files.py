"""Writes an environment in a form that checkov reads completely."""

import json
from pathlib import Path
from typing import Any

import yaml

from policy.environment import SynthesizedEnvironment

ORIGINAL = "environment.json"
"""The original JSON, which our rules read."""

FOLDER_VARIABLE = "MESH_POLICY_FOLDER"
"""The environment variable with the folder that checkov scans; our rules read it."""

TERRAFORM = "terraform"
MANIFESTS = "manifests"

PSEUDO = "mesh_"
"""Prefix of the kind of an entity that is no resource: checkov checks resources only."""


def write_input(environment: SynthesizedEnvironment, folder: Path) -> None:
    """Write an environment as checkov needs it.

    - Without ``terraform.required_version``: with it checkov 3.3 reads nothing at all of the
      file ("this method receives only dicts"), counts a parsing error, and exits with 0.
    - With outputs, data sources, providers, stacks and regions as additional resources, so that
      rules apply to them, and find what is missing.
    - With the Kubernetes objects as YAML: checkov's own checks don't see them inside a ``kubernetes_manifest``.

    checkov puts every block and every value of a resource into a list, so that one
    block and a list of one are the same: our rules read `ORIGINAL` instead.

    Args:
        environment: the environment to write.
        folder: created here.
    """
    folder.mkdir(parents=True)
    (folder / ORIGINAL).write_text(json.dumps(environment.stacks), encoding="utf-8")
    for stack, content in environment.stacks.items():
        copy: dict[str, Any] = {**content, "resource": dict(content.get("resource", {}))}
        copy["terraform"] = {key: value for key, value in content["terraform"].items() if key != "required_version"}
        copy.pop("ephemeral", None)
        for entity in environment.entities:
            if entity.stack == stack and entity.kind not in copy["resource"] and entity.manifest is None:
                copy["resource"].setdefault(PSEUDO + entity.kind, {})[entity.name] = {"is": entity.kind}
        target = folder / TERRAFORM / stack / "cdk.tf.json"
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps(copy, indent=1), encoding="utf-8")
    for entity in environment.entities:
        if entity.manifest is not None:
            target = folder / MANIFESTS / entity.region / f"{entity.stack}-{entity.name}.yaml"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(yaml.safe_dump(dict(entity.manifest)), encoding="utf-8")
