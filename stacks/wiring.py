"""How the stacks hang together."""

import shutil
from pathlib import Path

from config.environment import Environment
from constructs.bindings import App
from stacks.base import StateLocation
from stacks.clusters import ClustersStack
from stacks.ingress import IngressStack
from stacks.mesh import MeshControlStack
from stacks.network import NetworkStack


def new_app(outdir: Path | None = None) -> App:
    """Return an app for the stacks.

    Terraform Cloud's block asks the terraform on this machine for its version, and
    fails where there is none. Synthesis needs no terraform, so it isn't asked then.

    Args:
        outdir: output folder, for tests; ``cdktf synth --output`` needs it to be open.
    """
    without_terraform = shutil.which("terraform") is None
    return App(outdir=None if outdir is None else str(outdir), skip_validation=without_terraform)


def add_stacks(app: App, environment: Environment, config: Path) -> None:
    """Add the four stacks of an environment.

    Whatever creates CRDs is applied in an earlier stack than the objects that use
    them: a kubernetes_manifest needs its kind when it is planned.

    Args:
        app: the cdktf app.
        environment: the configuration.
        config: the configuration file, beside which a local state is kept.
    """
    state = StateLocation(environment, config.resolve())
    network = NetworkStack(app, environment=environment, state=state)
    clusters = ClustersStack(app, environment=environment, state=state, network=network)
    mesh = MeshControlStack(app, environment=environment, state=state, network=network, clusters=clusters)
    IngressStack(app, environment=environment, state=state, clusters=clusters, mesh=mesh)
