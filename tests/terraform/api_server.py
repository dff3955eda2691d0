"""A Kubernetes API server on this machine, with the controllers of Kubernetes and pods that kwok simulates."""

import copy
import json
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.local_mesh import processes
from tests.local_mesh.cluster import SIMULATED_PODS
from tests.local_mesh.gke_crds import gke_crds
from tests.local_mesh.istiod import istio_manifests
from tests.local_mesh.kwok import (
    CREATE_CLUSTER,
    CREATE_SECONDS,
    START_CLUSTER,
    keep_controller_manager,
    kwok_configuration,
)
from tests.local_mesh.toolchain import Toolchain

BROKEN_IMAGE = "registry.example/broken"
"""Pods with this image, of any tag, never get ready."""

ZONES = ("a", "b", "c")

_PORTS = (
    "etcdPeerPort",
    "etcdPort",
    "kubeApiserverPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
)
"""Options of kwokctl. It would choose the highest unused ports, and so would another one that starts at the same time.

Source: https://github.com/kubernetes-sigs/kwok/blob/v0.7.0/pkg/utils/net/unused_port.go
"""

_JOBS_SUCCEED: dict[str, Any] = {
    "apiVersion": "kwok.x-k8s.io/v1alpha1",
    "kind": "Stage",
    "metadata": {"name": "jobs-succeed"},
    "spec": {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {
            "matchExpressions": [
                {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]},
                {"key": ".status.phase", "operator": "NotIn", "values": ["Succeeded"]},
            ]
        },
        "next": {"statusTemplate": "phase: Succeeded"},
    },
}


class ApiServer:
    """A cluster of its own, reachable over loopback.

    Attributes:
        kubeconfig: admits its administrator.
    """

    def __init__(self, folder: Path, tools: Toolchain) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._tools = tools

    @property
    def variables(self) -> dict[str, str]:
        """An environment in which kubectl is found."""
        return self._tools.variables()

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl and return its output.

        Raises:
            LocalMeshError: It failed.
        """
        command = [str(self._tools.path("kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments]
        return processes.run(command, variables=self._tools.variables(), text=text)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, with its managed fields."""
        output = self.kubectl("get", *arguments, "--show-managed-fields", "--output", "json")
        found: dict[str, Any] = json.loads(output)
        return found

    def delete(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Delete objects, also those that terraform can't destroy any more."""
        text = "\n---\n".join(map(json.dumps, objects))
        self.kubectl("delete", "--ignore-not-found", "--filename", "-", text=text)

    @contextmanager
    def watched(self, jsonpath: str, *arguments: str) -> Iterator[list[str]]:
        """Record a field of an object whenever the object changes; the list is complete at the end."""
        command = [str(self._tools.path("kubectl")), "--kubeconfig", str(self.kubeconfig), "get", *arguments]
        command += ["--watch", "--output", f"jsonpath={jsonpath}{{'\\n'}}"]
        values: list[str] = []
        with subprocess.Popen(command, env=self._tools.variables(), stdout=subprocess.PIPE, text=True) as process:
            yield values
            process.terminate()
            values += process.communicate()[0].splitlines()


@contextmanager
def api_server(folder: Path, tools: Toolchain) -> Iterator[ApiServer]:
    """Start a cluster with Istio's and GKE's kinds, and stop it in the end."""
    cluster = ApiServer(folder, tools)
    configuration = folder / "kwokctl.yaml"
    configuration.write_text(yaml.safe_dump_all(_configuration(tools)), encoding="utf-8")
    variables = tools.variables() | {"KWOK_WORKDIR": str(folder / "kwok")}
    kwokctl = [str(tools.path("kwokctl"))]
    files = ["--config", str(configuration), "--kubeconfig", str(cluster.kubeconfig)]
    try:
        processes.run([*kwokctl, *CREATE_CLUSTER, *files], variables=variables, seconds=CREATE_SECONDS)
        keep_controller_manager(
            folder / "kwok" / "clusters" / "kwok",
            works=lambda: bool(cluster.kubectl("get", "serviceaccount", "default", "--ignore-not-found").strip()),
            start=lambda: processes.run([*kwokctl, *START_CLUSTER], variables=variables, seconds=CREATE_SECONDS),
        )
        crds = [one for one in istio_manifests(tools, "default", tools.envoy) if "CustomResource" in one["kind"]]
        crds += gke_crds()
        objects = [*crds, *map(_node, ZONES)]
        cluster.kubectl("apply", "--server-side", "-f", "-", text=yaml.safe_dump_all(objects))
        yield cluster
    finally:
        subprocess.run([*kwokctl, "delete", "cluster"], env=variables, capture_output=True, check=False, timeout=60)


def _configuration(tools: Toolchain) -> list[Mapping[str, Any]]:
    stages = list(yaml.safe_load_all(SIMULATED_PODS.read_text(encoding="utf-8")))
    works = {
        "key": f'.spec.containers.[].image | startswith("{BROKEN_IMAGE}")',
        "operator": "NotIn",
        "values": ["true"],
    }
    stages.append(copy.deepcopy(_JOBS_SUCCEED))
    for stage in stages:
        if stage["metadata"]["name"] != "pods-are-removed":
            stage["spec"]["selector"]["matchExpressions"].append(works)
    return kwok_configuration(tools, stages, options=dict(zip(_PORTS, _unused_ports(len(_PORTS)), strict=True)))


def _unused_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def _node(zone: str) -> dict[str, Any]:
    size = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": zone,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"topology.kubernetes.io/zone": zone, "kubernetes.io/os": "linux"},
        },
        "status": {"allocatable": size, "capacity": size},
    }
