"""The smallest environment, made by `mesh init`, and its change in place."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from config.validation.nodes import ZONES_OF_A_REGION
from tools.acceptance.workspace import AcceptanceError, Workspace

NAME_PREFIX = "accept"
"""Short, so that the names of the longest regions fit."""

ZONES = ("us-central1-b", "us-east1-b")
"""One zone of each region: a node in one zone is the smallest region that there can be."""

MOST_NODES = 2
"""In a zone: the mesh requires a pool that can have 8 vCPUs, and a machine has 4."""

_SMALL = f"""
cluster:
  deletion_protection: false # it is destroyed after an hour or two
  max_nodes: {MOST_NODES} # of one zone, in place of {ZONES_OF_A_REGION}
"""

OTHER_IMAGE = "docker.io/istio/examples-helloworld-v2:1.0"
"""The same program as the default image, which also responds with the version that it is told."""

_CHANGE = f"\ndemo: # the change in place\n  image: {OTHER_IMAGE}\n"


def write_configuration(workspace: Workspace, zones: Sequence[str]) -> None:
    """Write mesh.yaml as `mesh init` does, with one zone in each region, and to be destroyed soon.

    Args:
        workspace: Gets the file; an earlier one is replaced.
        zones: One zone of each region.

    Raises:
        AcceptanceError: A zone or the project is not valid.
    """
    regions = [zone.rpartition("-")[0] for zone in zones]
    if len(set(regions)) < 2 or len(set(regions)) < len(regions) or not all(regions):
        raise AcceptanceError(f"ZONES must name one zone in each of at least two regions, such as {' '.join(ZONES)}")
    workspace.config.unlink(missing_ok=True)
    options = [word for region in regions for word in ("--region", region)]
    command = ["mesh", "init", "--project", workspace.project, "--name-prefix", NAME_PREFIX, *options]
    command += ["--control-plane", "fleet", "--plain-http", "--output", str(workspace.config)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AcceptanceError(result.stderr.strip())
    text = workspace.config.read_text(encoding="utf-8")
    for zone, region in zip(zones, regions, strict=True):
        line = f"    region: {region}\n"
        text = text.replace(line, f"{line}    zones: [{zone}]\n")
    workspace.config.write_text(text + _SMALL, encoding="utf-8")


def change_in_place(config: Path) -> None:
    """Give the demo another image, unless an earlier attempt has done so."""
    text = config.read_text(encoding="utf-8")
    if "demo" not in yaml.safe_load(text):
        config.write_text(text + _CHANGE, encoding="utf-8")
