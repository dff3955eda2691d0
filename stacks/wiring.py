"""How the stacks hang together."""

from pathlib import Path

from bindings import App
from config.environment import Environment
from stacks.base import StateLocation
from stacks.clusters import ClustersStack
from stacks.ingress import IngressStack
from stacks.mesh import MeshControlStack
from stacks.network import NetworkStack


def add_stacks(app: App, environment: Environment, root: Path) -> None:
    """Add the four stacks of an environment.

    Whatever creates CRDs is applied in an earlier stack than the objects that use
    them: a kubernetes_manifest needs its kind when it is planned.

    Args:
        root: folder of the state files, with the local backend.
    """
    state = StateLocation(environment, root)
    network = NetworkStack(app, environment=environment, state=state)
    clusters = ClustersStack(app, environment=environment, state=state, network=network)
    mesh = MeshControlStack(app, environment=environment, state=state, network=network, clusters=clusters)
    IngressStack(app, environment=environment, state=state, clusters=clusters, mesh=mesh)
