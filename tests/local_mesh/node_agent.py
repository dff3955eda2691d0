"""A fake kubelet for all nodes of a cluster: it runs the pods and reports their status."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from pathlib import Path
from typing import Any

from cli.sources.temporary import TEMPORARY_LABEL
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.istiod import Istiod
from tests.local_mesh.istiod_pod import IstiodPod, is_istiod
from tests.local_mesh.network import LabNetwork
from tests.local_mesh.pod import Pod, PodContext

TOKEN_AUDIENCE = "istio-ca"
JOB_LABEL = "batch.kubernetes.io/job-name"
PROTOCOLS = {"http": "http", "http2": "http2", "kubernetes.io/h2c": "http2", "grpc": "grpc", "tcp": "tcp"}
"""The application's protocols, by the names that Services have for them."""

READY_SECONDS = 60
PROBE_SECONDS = 0.1
"""How often an agent looks whether a probe is due."""

PARALLEL = 4


class NodeAgent:
    """Watches a cluster's pods: starts the programs of scheduled pods, and stops those of deleted ones.

    Its probes decide whether a pod is ready, and restart its application. When its programs are
    killed, it keeps its status, as on a lost node until the control plane notices that, after
    most of a minute.

    Attributes:
        cluster: the Kubernetes control plane.
    """

    def __init__(
        self,
        cluster: LocalCluster,
        network: LabNetwork,
        context: PodContext,
        *,
        folder: Path,
        on_error: Callable[[Exception], None],
        istiod: Istiod | None = None,
    ) -> None:
        """Prepare it; nothing is started.

        Args:
            cluster: the Kubernetes control plane.
            network: for the pods' namespaces.
            context: of the pods.
            folder: of the pods.
            on_error: called with errors of background threads.
            istiod: the program of istiod's pods.
        """
        self.cluster = cluster
        self._network = network
        self._context = context
        self._folder = folder
        self._on_error = on_error
        self._istiod = istiod
        self._pods: dict[str, Pod] = {}  # by uid
        self._lock = threading.Lock()
        self._addresses: dict[str, Iterator[IPv4Address]] = {}
        self._workers = ThreadPoolExecutor(PARALLEL, thread_name_prefix=f"pods of {cluster.site.key}")

    def start(self) -> None:
        for node in self.cluster.get("nodes")["items"]:
            self._addresses[node["metadata"]["name"]] = _addresses(IPv4Network(node["spec"]["podCIDR"]))
        threading.Thread(target=self._watch, name=f"agent of {self.cluster.site.key}", daemon=True).start()

    def pods(self, namespace: str, app: str) -> list[Pod]:
        """Return the running pods with a label ``app``."""
        return self.selected(namespace, {"app": app})

    def selected(self, namespace: str, labels: Mapping[str, str]) -> list[Pod]:
        """Return the running pods with labels, as a Service selects them: without any, none."""
        with self._lock:
            return [
                pod
                for pod in self._pods.values()
                if labels
                and pod.namespace == namespace
                and labels.items() <= pod.manifest["metadata"].get("labels", {}).items()
            ]

    def restart(self, pod: Pod) -> None:
        """Start the programs of a killed pod again, and wait until it is ready.

        Raises:
            LocalMeshError: it is not ready in time.
        """
        pod.start(self._network.pod(self._namespace_name(pod)), self._token(pod), self._protocols(pod))
        self._wait_until_ready(pod)

    def restart_sidecar(self, pod: Pod) -> None:
        """Start the killed proxy of a pod again, and wait until the pod is ready.

        Raises:
            LocalMeshError: it is not ready in time.
        """
        pod.start_sidecar()
        self._wait_until_ready(pod)

    def _wait_until_ready(self, pod: Pod) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not (pod.terminating.is_set() or pod.ready):
            if time.monotonic() > deadline:
                raise LocalMeshError(f"pod {pod.name} is not ready after {READY_SECONDS} s: {self._context.logs}")
            pod.probe()
            time.sleep(PROBE_SECONDS)
        pod.lost = False

    def _watch(self) -> None:
        try:
            for event in self.cluster.watch("pods", "--all-namespaces"):
                # The pods of Jobs run to their end, with the programs of their images: not here. A client of `mesh`
                # sleeps until it is deleted.
                labels = event["object"]["metadata"].get("labels", {})
                if JOB_LABEL not in labels or TEMPORARY_LABEL in labels:
                    self._handle(event["type"], event["object"])
        except Exception as error:
            self._on_error(error)

    def _handle(self, kind: str, manifest: dict[str, Any]) -> None:
        uid = manifest["metadata"]["uid"]
        with self._lock:
            pod = self._pods.get(uid)
            if kind != "DELETED" and pod is None and manifest["spec"].get("nodeName"):
                if "deletionTimestamp" in manifest["metadata"]:
                    return
                folder = self._folder / uid
                folder.mkdir(parents=True)
                self._pods[uid] = self._build_pod(manifest, folder)
                self._submit(self._run, self._pods[uid])
            elif pod is not None and (kind == "DELETED" or "deletionTimestamp" in manifest["metadata"]):
                del self._pods[uid]
                pod.terminating.set()
                self._submit(self._end, pod)

    def _build_pod(self, manifest: dict[str, Any], folder: Path) -> Pod:
        if self._istiod is not None and is_istiod(manifest):
            return IstiodPod(manifest, self._istiod, self._context, folder)
        return Pod(manifest, next(self._addresses[manifest["spec"]["nodeName"]]), self._context, folder)

    def _submit(self, work: Callable[[Pod], None], pod: Pod) -> None:
        self._workers.submit(self._guard, work, pod)

    def _guard(self, work: Callable[[Pod], None], pod: Pod) -> None:
        try:
            work(pod)
        except Exception as error:
            self._on_error(error)

    def _run(self, pod: Pod) -> None:
        with pod.lock:
            if not pod.terminating.is_set():
                self._start(pod)

    def _start(self, pod: Pod) -> None:
        key, name = self.cluster.site.key, self._namespace_name(pod)
        on_host = pod.manifest["spec"].get("hostNetwork", False)
        network = self._network.add_host_pod(key, name) if on_host else self._network.add_pod(key, name, pod.address)
        # With the pod's address, istiod finds the proxy's node and so its region.
        self._report(pod)
        pod.start(network, self._token(pod), self._protocols(pod))
        threading.Thread(target=self._guard, args=(self._probe, pod), daemon=True).start()

    def _probe(self, pod: Pod) -> None:
        """Probe a pod until it ends, and report its status when it changes."""
        reported = (False, 0)
        while not pod.terminating.wait(PROBE_SECONDS):
            if pod.lost:
                continue
            pod.probe()
            if (pod.ready, pod.restarts) != reported and not pod.terminating.is_set():
                self._report(pod)
                reported = (pod.ready, pod.restarts)

    def _protocols(self, pod: Pod) -> dict[int, str]:
        return protocols_of_ports(pod, self.cluster.get("services", "--namespace", pod.namespace)["items"])

    def _end(self, pod: Pod) -> None:
        with pod.lock:
            if pod.started:
                pod.stop()
                self._network.remove_pod(self.cluster.site.key, self._namespace_name(pod), pod.address)
        self.cluster.kubectl(
            *("delete", "pod", pod.name, "--namespace", pod.namespace),
            *("--grace-period", "0", "--force", "--ignore-not-found", "--wait=false"),
        )

    def _namespace_name(self, pod: Pod) -> str:
        return f"{self.cluster.site.key}.{pod.name}"

    def _token(self, pod: Pod) -> str:
        return self.cluster.kubectl(
            *("create", "token", pod.account, "--namespace", pod.namespace),
            *("--audience", TOKEN_AUDIENCE, "--duration", "24h"),
        ).strip()

    def _report(self, pod: Pod) -> None:
        """Write a pod's status, which Deployments and EndpointSlices read."""
        ready = pod.ready
        status = "True" if ready else "False"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

        def states(containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": ready,
                    "started": ready,
                    "restartCount": pod.restarts,
                    "state": {"running": {"startedAt": now}},
                }
                for container in containers
            ]

        patch = {
            "status": {
                "phase": "Running",
                "podIP": str(pod.address),
                "podIPs": [{"ip": str(pod.address)}],
                "startTime": now,
                "conditions": [
                    {"type": kind, "status": "True" if kind == "Initialized" else status, "lastTransitionTime": now}
                    for kind in ("Initialized", "ContainersReady", "Ready")
                ],
                "containerStatuses": states(pod.manifest["spec"]["containers"]),
            }
        }
        self.cluster.kubectl(
            *("patch", "pod", pod.name, "--namespace", pod.namespace),
            *("--subresource", "status", "--type", "strategic", "--patch", json.dumps(patch)),
        )


def protocols_of_ports(pod: Pod, services: Iterable[dict[str, Any]]) -> dict[int, str]:
    """Return the protocols of a pod's ports, by the Services that select it.

    Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
    """
    labels = pod.manifest["metadata"].get("labels", {})
    return {
        port["targetPort"]: PROTOCOLS.get(port.get("appProtocol") or port.get("name", "").partition("-")[0], "http")
        for service in services
        if (selector := service["spec"].get("selector")) and selector.items() <= labels.items()
        for port in service["spec"]["ports"]
    }


def _addresses(node: IPv4Network) -> Iterator[IPv4Address]:
    """Yield a node's addresses for pods, each once: a proxy may keep an old one for a while."""
    return (node[number] for number in count(2))
