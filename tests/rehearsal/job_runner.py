"""A simulated kubelet for the pods of Jobs: it runs their programs with their service accounts."""

import base64
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from cli.sources.temporary import TEMPORARY_LABEL
from tests.kubelet import container_environment
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.node_agent import JOB_LABEL
from tests.local_mesh.toolchain import Toolchain
from tests.rehearsal.controller import patch, run_in_background, timestamp

ENTRYPOINTS = {"kubectl": "kubectl"}
"""The programs of the supported images, by the last part of the image's name."""

OWN_JOBS = f"{JOB_LABEL},!{TEMPORARY_LABEL}"
"""A client of `mesh` is not one that ends: `NodeAgent` runs it where there are proxies."""

NOT_FOUND = 127
KILLED = 137
LAST_CHARACTERS = 2000
"""Length of a container's output in its pod's status."""

# A container has files of its own; here only those below /run are.
_START = """
set -e
run="$(readlink -f /var/run)"
mount -t tmpfs tmpfs "$run"
mkdir -p "$run/secrets/kubernetes.io"
cp -R "$1" "$run/secrets/kubernetes.io/serviceaccount"
shift
exec "$@"
"""

IN_NAMESPACE = ("unshare", "--mount", "sh", "-c", _START, "sh")
"""Command that runs a container's program; the folder of its service account and the program follow."""

Object = dict[str, Any]


class JobRunner:
    """Runs the containers of a cluster's Jobs, one after the other, and writes the pods' status.

    A container reaches the API server as it would in a cluster: by a token of its service
    account, bound to its pod. So RBAC decides what it is authorized to do. The real controller
    does the rest of a Job (retries, failure). Init containers and containers run alike, without
    restarts.
    """

    def __init__(self, cluster: LocalCluster, tools: Toolchain) -> None:
        self._cluster = cluster
        self._tools = tools
        self._running: dict[str, threading.Event] = {}

    def start(self) -> None:
        run_in_background(self._run)

    def _run(self) -> None:
        try:
            for event in self._cluster.follow("pods", "--all-namespaces", "--selector", OWN_JOBS):
                pod = event["object"]
                uid = pod["metadata"]["uid"]
                if event["type"] == "DELETED" or "deletionTimestamp" in pod["metadata"]:
                    self._running.setdefault(uid, threading.Event()).set()
                elif pod["spec"].get("nodeName") and uid not in self._running:
                    self._running[uid] = threading.Event()
                    run_in_background(self._run_pod, pod, self._running[uid])
        finally:
            for ended in self._running.values():
                ended.set()

    def _run_pod(self, pod: Object, ended: threading.Event) -> None:
        spec = pod["spec"]
        kinds = {"initContainerStatuses": spec.get("initContainers", []), "containerStatuses": spec["containers"]}
        status: Object = {"phase": "Running", "startTime": timestamp()}
        status |= {key: [_waiting(one) for one in containers] for key, containers in kinds.items()}
        with tempfile.TemporaryDirectory() as folder:
            account = Path(folder, "serviceaccount")
            self._write_account(pod, account)
            for key, containers in kinds.items():
                for number, container in enumerate(containers):
                    status[key][number] |= {"state": {"running": {"startedAt": timestamp()}}, "started": True}
                    self._write_status(pod, status)
                    with Path(folder, container["name"]).open("w+", encoding="utf-8") as log:
                        code = self._run_container(container, account, log, ended)
                        log.seek(0)
                        last = log.read()[-LAST_CHARACTERS:]
                    if ended.is_set():
                        return
                    status[key][number] |= _terminated(code, last)
                    if code != 0:
                        self._write_status(pod, {**status, "phase": "Failed"})
                        return
            self._write_status(pod, {**status, "phase": "Succeeded"})

    def _write_account(self, pod: Object, folder: Path) -> None:
        """Write the files of a pod's service account."""
        metadata = pod["metadata"]
        token = self._cluster.kubectl(
            *("--namespace", metadata["namespace"], "create", "token", pod["spec"]["serviceAccountName"]),
            *("--bound-object-kind", "Pod", "--bound-object-name", metadata["name"]),
            *("--bound-object-uid", metadata["uid"]),
        )
        folder.mkdir()
        (folder / "token").write_text(token.strip(), encoding="utf-8")
        (folder / "namespace").write_text(metadata["namespace"], encoding="utf-8")
        (folder / "ca.crt").write_bytes(base64.b64decode(self._cluster.certificate))

    def _run_container(self, container: Mapping[str, Any], account: Path, log: TextIO, ended: threading.Event) -> int:
        """Run a container to its end, or its pod's, and return its exit status."""
        image = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
        if image not in ENTRYPOINTS or "command" in container:
            return NOT_FOUND
        host, _, port = self._cluster.server.removeprefix("https://").partition(":")
        variables = {"HOME": "/", "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port or "443"}
        variables |= container_environment(container.get("env", []))
        program = str(self._tools.path(ENTRYPOINTS[image]))
        with subprocess.Popen(
            self._cluster.namespace.command([*IN_NAMESPACE, str(account), program, *container.get("args", [])]),
            env={**variables, "PATH": self._tools.variables()["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process:
            while process.poll() is None:
                if ended.wait(0.2):
                    process.kill()
                    return KILLED
            return process.returncode

    def _write_status(self, pod: Object, status: Object) -> None:
        patch(self._cluster, "pod", pod["metadata"], {"status": status}, "--subresource", "status")


def _waiting(container: Mapping[str, Any]) -> Object:
    about = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": False}
    return {**about, "state": {"waiting": {"reason": "PodInitializing"}}}


def _terminated(code: int, last: str) -> Object:
    about = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": last}
    state = {"terminated": {**about, "startedAt": timestamp(), "finishedAt": timestamp()}}
    return {"state": state, "ready": code == 0, "started": False}
