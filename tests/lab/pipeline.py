"""Another pipeline: what the examples of docs/workloads.md deploy to a region."""

import subprocess
from pathlib import Path

import yaml

from tests.local_mesh.rendered import Object
from tests.synthesized import EXAMPLES

WORKLOADS = EXAMPLES / "workloads"
"""The folder of `mesh.yaml`, and of the pipeline's sources."""


def render_kustomize(region: str, kubectl: Path | str = "kubectl") -> list[Object]:
    """Return the objects of the region's Kustomize overlay.

    Args:
        region: its key in the `mesh.yaml` of the example.
        kubectl: the program.
    """
    return _run(str(kubectl), "kustomize", str(WORKLOADS / "kustomize" / "overlays" / region))


def render_helm(region: str, helm: Path | str = "helm") -> list[Object]:
    """Return the objects of the region's Helm releases.

    Args:
        region: its key in the `mesh.yaml` of the example.
        helm: the program, version 3.
    """
    folder = WORKLOADS / "helm"
    objects: list[Object] = []
    for values in sorted(folder.glob(f"*/{region}.yaml")):
        release = values.parent.name
        common = values.with_name("common.yaml")
        objects += _run(
            *(str(helm), "template", release, str(folder / "chart"), "--namespace", "shop"),
            *("--values", str(common), "--values", str(values)),
        )
    return objects


def _run(*command: str) -> list[Object]:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return [one for one in yaml.safe_load_all(result.stdout) if one is not None]
