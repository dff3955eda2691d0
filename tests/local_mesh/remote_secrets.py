"""Endpoint discovery between clusters, with the project's own script."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from config.paths import ROOT
from tests.local_mesh import processes
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.toolchain import Toolchain

SCRIPTS = ROOT / "scripts"
CREATE = ("bash", str(SCRIPTS / "create-remote-secret.sh"))
"""The command that creates a remote secret."""

SECONDS = 120


@dataclass(frozen=True)
class ScriptCluster:
    """A cluster with its names in the cloud and in the mesh.

    Attributes:
        cluster: the Kubernetes control plane.
        name: in the cloud.
        location: the Google Cloud region.
        remote_name: in the mesh.
    """

    cluster: LocalCluster
    name: str
    location: str
    remote_name: str


class ScriptRunner:
    """Runs the project's scripts with a fake gcloud that has the credentials of the lab's clusters."""

    def __init__(self, project: str, members: Sequence[ScriptCluster], *, tools: Toolchain, folder: Path) -> None:
        self._project = project
        self._tools = tools
        self._credentials = folder
        folder.mkdir(parents=True, exist_ok=True)
        for member in members:
            content = yaml.safe_load(member.cluster.kubeconfig.read_text(encoding="utf-8"))
            context = f"gke_{project}_{member.location}_{member.name}"
            content["contexts"][0]["name"] = content["current-context"] = context
            (folder / f"{member.location}_{member.name}").write_text(yaml.safe_dump(content), encoding="utf-8")

    def variables(self) -> dict[str, str]:
        """Return the environment of the scripts."""
        fakes = resources.files("tests.local_mesh").joinpath("fake_tools")
        tools = self._tools.variables()
        return {
            **tools,
            "PATH": f"{fakes}:{tools['PATH']}",
            "LOCAL_MESH_CREDENTIALS": str(self._credentials),
            "PROJECT": self._project,
            "ENDPOINT": "private",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        }

    def enable_endpoint_discovery(self, host: ScriptCluster, remote: ScriptCluster) -> None:
        """Let one cluster's istiod discover the endpoints of another cluster.

        Raises:
            LocalMeshError: the script failed.
        """
        processes.run(list(CREATE), variables=self.create_variables(host, remote), seconds=SECONDS)

    def create_variables(self, host: ScriptCluster, remote: ScriptCluster) -> dict[str, str]:
        """Return the environment of `CREATE`."""
        return self.variables() | {
            "HOLDER_CLUSTER": host.name,
            "HOLDER_KUBECONFIG": self._kubeconfig(host),
            "REMOTE_CLUSTER": remote.name,
            "REMOTE_KUBECONFIG": self._kubeconfig(remote),
            "REMOTE_NAME": remote.remote_name,
            "REMOTE_SERVER": remote.cluster.server,
            "INPUTS": "the lab's",
        }

    def _kubeconfig(self, member: ScriptCluster) -> str:
        return (self._credentials / f"{member.location}_{member.name}").read_text(encoding="utf-8")
