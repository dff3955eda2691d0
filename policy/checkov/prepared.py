"""A copy of an environment that checkov reads whole."""

import json
from pathlib import Path
from typing import Any

import yaml

from policy.environment import Environment

ORIGINAL = "environment.json"
"""What our rules read: the JSON as it is."""

FOLDER_VARIABLE = "MESH_POLICY_FOLDER"
"""The variable that tells our rules which prepared folder checkov is at."""

TERRAFORM = "terraform"
MANIFESTS = "manifests"

PSEUDO = "mesh_"
"""Before the kind of a place that is no resource: checkov asks about resources only."""


def prepare(environment: Environment, folder: Path) -> None:
    """Write an environment as checkov needs it.

    - Without ``terraform.required_version``: with it checkov 3.3 reads nothing at all of the
      file ("this method receives only dicts"), counts a parsing error, and exits with 0.
    - With outputs, data sources, providers, stacks and regions as resources besides, so that a
      rule can be about them, and about what is not there.
    - With the Kubernetes objects as YAML: inside a ``kubernetes_manifest`` checkov's own checks don't see them.

    checkov's view of a resource has a list around every block and every value, so that one
    block and a list of one are the same: our rules read `ORIGINAL` instead.

    Args:
        folder: made here.
    """
    folder.mkdir(parents=True)
    (folder / ORIGINAL).write_text(json.dumps(environment.stacks), encoding="utf-8")
    for stack, content in environment.stacks.items():
        copy: dict[str, Any] = {**content, "resource": dict(content.get("resource", {}))}
        copy["terraform"] = {key: value for key, value in content["terraform"].items() if key != "required_version"}
        copy.pop("ephemeral", None)
        for place in environment.places:
            if place.stack == stack and place.kind not in copy["resource"] and place.manifest is None:
                copy["resource"].setdefault(PSEUDO + place.kind, {})[place.name] = {"is": place.kind}
        target = folder / TERRAFORM / stack / "cdk.tf.json"
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps(copy, indent=1), encoding="utf-8")
    for place in environment.places:
        if place.manifest is not None:
            target = folder / MANIFESTS / place.region / f"{place.stack}-{place.name}.yaml"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(yaml.safe_dump(dict(place.manifest)), encoding="utf-8")
