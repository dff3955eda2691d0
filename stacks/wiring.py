"""The app, its four stacks and their dependencies."""

import os
import subprocess
from functools import cache
from pathlib import Path

from config.environment import Environment
from constructs.bindings import App
from stacks.base import StateLocation
from stacks.clusters import ClustersStack
from stacks.ingress import IngressStack
from stacks.mesh import MeshControlStack
from stacks.network import NetworkStack


def new_app(outdir: Path) -> App:
    """Return an app for the stacks.

    With a Terraform Cloud backend cdktf validates the version of the machine's terraform
    and fails if there is none. Synthesis needs no terraform, so validation is skipped then.

    Args:
        outdir: output folder.
    """
    return App(outdir=str(outdir), skip_validation=not _terraform_works())


@cache
def _terraform_works() -> bool:
    """Return whether the command that cdktf calls can be run: a version manager's may be there without a terraform."""
    command = [os.environ.get("TERRAFORM_BINARY_NAME") or "terraform", "version"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def add_stacks(app: App, environment: Environment, config: Path) -> None:
    """Add the four stacks of an environment.

    CRDs are created in an earlier stack than the objects that use them: a
    kubernetes_manifest needs its CRD when it is planned.

    Args:
        app: the cdktf app.
        environment: the configuration.
        config: the configuration file, beside which a local state is kept.
    """
    state = StateLocation(environment, config.resolve())
    network = NetworkStack(app, environment=environment, state=state)
    clusters = ClustersStack(app, environment=environment, state=state, network=network)
    mesh = MeshControlStack(app, environment=environment, state=state, clusters=clusters)
    IngressStack(app, environment=environment, state=state, clusters=clusters, mesh=mesh)
