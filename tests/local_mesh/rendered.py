"""The Kubernetes objects that the project renders."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.environment import Environment
from constructs.bindings import Testing
from stacks.wiring import add_stacks, new_app

Object = dict[str, Any]

PROVIDER = "kubernetes."


def objects_by_region(environment: Environment, folder: Path) -> dict[str, list[Object]]:
    """Synthesize an environment and return each region's objects, in the order in which they can be applied.

    Args:
        folder: for what is synthesized; made here.
    """
    folder.mkdir(parents=True)
    app = new_app(folder)
    Testing.fake_cdktf_json_path(app)
    add_stacks(app, environment, folder / "mesh.yaml")
    app.synth()
    stack = json.loads((folder / "stacks" / "ingress" / "cdk.tf.json").read_text(encoding="utf-8"))
    found: dict[str, list[Object]] = {region.key: [] for region in environment.resolved_regions()}
    for region, rendered in rendered_objects(stack):
        found[region].append(rendered)
    for objects in found.values():
        objects.sort(key=lambda one: one["kind"] != "Namespace")
    return found


def rendered_objects(stack: Mapping[str, Any]) -> Iterator[tuple[str, Object]]:
    """Yield a synthesized stack's objects as the API server gets them, each with its region's key."""
    for resource in stack.get("resource", {}).get("kubernetes_manifest", {}).values():
        yield resource["provider"].removeprefix(PROVIDER), _as_terraform_reads(resource["manifest"])


def _as_terraform_reads(node: Any) -> Any:
    """Undo the escapes of Terraform's templates; references stay."""
    if isinstance(node, dict):
        return {key: _as_terraform_reads(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_as_terraform_reads(item) for item in node]
    if isinstance(node, str):
        return node.replace("$${", "${").replace("%%{", "%{")
    return node
