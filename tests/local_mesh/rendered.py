"""The Kubernetes objects that the project renders."""

from pathlib import Path
from typing import Any

from config.environment import Environment
from config.synthesized import kubernetes_objects, read_stack

Object = dict[str, Any]


def objects_by_region(environment: Environment, folder: Path) -> dict[str, list[Object]]:
    """Synthesize an environment and return each region's objects, in an order in which they can be applied.

    Args:
        environment: to synthesize.
        folder: of the JSON; it is created here.
    """
    # Not for every process that imports this module: these imports start Node.js.
    from constructs.bindings import Testing  # noqa: PLC0415
    from stacks.wiring import add_stacks, new_app  # noqa: PLC0415

    folder.mkdir(parents=True)
    app = new_app(folder)
    Testing.fake_cdktf_json_path(app)
    add_stacks(app, environment, folder / "mesh.yaml")
    app.synth()
    found: dict[str, list[Object]] = {region.key: [] for region in environment.resolved_regions()}
    for _, region, rendered in kubernetes_objects(read_stack(folder, "ingress")):
        found[region].append(rendered)
    for objects in found.values():
        objects.sort(key=lambda one: one["kind"] != "Namespace")
    return found
