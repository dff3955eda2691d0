"""A pod: a network namespace with a sidecar and a fake application."""

import http.client
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from config.paths import ROOT
from tests.kubelet import expand
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.processes import Program

SIDECAR = "istio-proxy"
CAPTURE_CONTAINER = "istio-init"
PROBE_SECONDS = 2.0

LABELS_FILE = "etc/istio/pod/labels"
ANNOTATIONS_FILE = "etc/istio/pod/annotations"
ROOT_FILE = "var/run/secrets/istio/root-cert.pem"
TOKEN_FILE = "var/run/secrets/tokens/istio-token"
BOOTSTRAP_FILE = "var/lib/istio/envoy/envoy_bootstrap_tmpl.json"

UNHEALTHY_FILE = "unhealthy"
"""While this file exists in a pod's folder, the application returns 503."""


_KEY = re.compile(r"\['([^']+)'\]")


@dataclass(frozen=True)
class PodContext:
    """Settings that all pods of a cluster share.

    Attributes:
        services: range of the Services' addresses.
        hosts: file that pods read as ``/etc/hosts``.
        agent: Istio's pilot-agent, which gets certificates and runs the proxy.
        bootstrap: its template for the proxy's first configuration.
        root: the mesh's root certificate, PEM.
        logs: folder.
    """

    services: IPv4Network
    hosts: Path
    agent: Path
    bootstrap: Path
    root: bytes
    logs: Path


class Pod:
    """A pod's programs, which replace the images of its containers.

    - ``istio-proxy``, the injected container, is pilot-agent with Envoy, with the
      container's arguments and environment;
    - a container with a port is a small HTTP server on that port;
    - a container without a port does nothing; requests are sent from its namespace.

    Attributes:
        manifest: of the pod.
        name: of the pod.
        namespace: of the pod.
        account: its service account.
        address: of the pod.
        lock: held while the pod is started or stopped, as two threads may do that at once.
        terminating: set when the pod is deleted in its cluster.
        started: whether it has programs and a namespace.
    """

    def __init__(self, manifest: dict[str, Any], address: IPv4Address, context: PodContext, folder: Path) -> None:
        self.manifest = manifest
        self.name: str = manifest["metadata"]["name"]
        self.namespace: str = manifest["metadata"]["namespace"]
        self.account: str = manifest["spec"].get("serviceAccountName", "default")
        self._containers = [*manifest["spec"].get("initContainers", []), *manifest["spec"]["containers"]]
        self.address = address
        self._context = context
        self._folder = folder
        self.lock = threading.Lock()
        self.terminating = threading.Event()
        self.started = False
        self._applications: list[Program] = []
        self._sidecars: list[Program] = []

    def start(self, network: Namespace, token: str) -> None:
        """Start its programs.

        Args:
            network: its namespace.
            token: of its service account, for the mesh's CA.
        """
        self.started = True
        if any(container["name"] == CAPTURE_CONTAINER for container in self._containers):
            # Not at the top: unit tests of pods do not need the lab's packages.
            from tests.local_mesh.capture import capture  # noqa: PLC0415

            capture(network, self._context.services)
        self._write_files(token)
        for container in self._containers:
            if container["name"] == SIDECAR:
                self._sidecars.append(self._start(container, network, self._agent_command(container)))
            elif container in self.manifest["spec"]["containers"]:
                for port in container.get("ports", []):
                    command = [
                        sys.executable,
                        "-m",
                        "tests.local_mesh.demo_server",
                        str(port["containerPort"]),
                        UNHEALTHY_FILE,
                    ]
                    self._applications.append(self._start(container, network, command))

    def is_ready(self) -> bool:
        """Return whether all readiness probes succeed; a container without one is ready when it runs."""
        return all(
            self._probe(container["readinessProbe"]) for container in self._containers if "readinessProbe" in container
        )

    def return_503(self) -> None:
        """Let the application return 503."""
        (self._folder / UNHEALTHY_FILE).touch()

    def recover(self) -> None:
        (self._folder / UNHEALTHY_FILE).unlink()

    def kill(self) -> None:
        """Kill all programs without a notice to the control plane."""
        for program in (*self._applications, *self._sidecars):
            program.kill()
        self._applications.clear()
        self._sidecars.clear()

    def stop(self) -> None:
        """Stop the programs as a kubelet stops a pod.

        The applications get SIGTERM after the longest ``preStop`` of the containers; a sidecar
        gets it at once if it is a normal container, last if it is an init container.
        """
        spec = self.manifest["spec"]
        grace = float(spec.get("terminationGracePeriodSeconds", 30))
        native = any(container["name"] == SIDECAR for container in spec.get("initContainers", []))
        if not native:
            _terminate(self._sidecars)
        time.sleep(max((_pre_stop_seconds(container) for container in spec["containers"]), default=0.0))
        _terminate(self._applications)
        _wait(self._applications, grace)
        _terminate(self._sidecars)
        _wait(self._sidecars, grace)

    def _probe(self, probe: dict[str, Any]) -> bool:
        """Probe from outside the pod, as a kubelet does."""
        address = str(self.address)
        try:
            if "httpGet" in probe:
                request = probe["httpGet"]
                with closing(http.client.HTTPConnection(address, request["port"], timeout=PROBE_SECONDS)) as connection:
                    connection.request("GET", request["path"])
                    return 200 <= connection.getresponse().status < 400
            if "tcpSocket" in probe:
                socket.create_connection((address, probe["tcpSocket"]["port"]), timeout=PROBE_SECONDS).close()
                return True
        except OSError:
            return False
        raise LocalMeshError(f"pod {self.name} has a probe of an unknown type: {', '.join(probe)}")

    def _start(self, container: dict[str, Any], network: Namespace, command: list[str]) -> Program:
        return Program(
            f"{container['name']} of pod {self.name}",
            command,
            log=self._context.logs / f"{self.name}.{container['name']}.log",
            namespace=network,
            hosts=self._context.hosts,
            folder=self._folder,
            variables=self._variables(container) | {"HOSTNAME": self.name, "PYTHONPATH": str(ROOT)},
        )

    def _agent_command(self, container: dict[str, Any]) -> list[str]:
        variables = self._variables(container)
        arguments = [expand(text, variables) for text in container["args"]]
        return [str(self._context.agent), *arguments]

    def _variables(self, container: dict[str, Any]) -> dict[str, str]:
        """Return a container's environment."""
        variables: dict[str, str] = {}
        for entry in container.get("env", []):
            field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            value = entry.get("value", "") if field is None else self._field(field)
            variables[entry["name"]] = expand(value, variables)
        return variables

    def _field(self, path: str) -> str:
        """Return a field of the downward API."""
        metadata = self.manifest["metadata"]
        key = _KEY.search(path)
        if key is not None:
            section = metadata.get("labels" if "labels" in path else "annotations", {})
            return str(section.get(key[1], ""))
        known: dict[str, str] = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "metadata.uid": metadata["uid"],
            "spec.nodeName": self.manifest["spec"]["nodeName"],
            "spec.serviceAccountName": self.account,
            "status.hostIP": str(self.address),
            "status.podIP": str(self.address),
        }
        return known[path]

    def _write_files(self, token: str) -> None:
        """Write the files of the injected volumes."""
        metadata = self.manifest["metadata"]
        contents = {
            LABELS_FILE: _downward(metadata.get("labels", {})).encode(),
            ANNOTATIONS_FILE: _downward(metadata.get("annotations", {})).encode(),
            ROOT_FILE: self._context.root,
            TOKEN_FILE: token.encode(),
        }
        for name, content in contents.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        bootstrap = self._folder / BOOTSTRAP_FILE
        bootstrap.parent.mkdir(parents=True, exist_ok=True)
        bootstrap.unlink(missing_ok=True)
        bootstrap.symlink_to(self._context.bootstrap)


def _downward(entries: dict[str, str]) -> str:
    return "".join(f"{key}={json.dumps(value)}\n" for key, value in sorted(entries.items()))


def _pre_stop_seconds(container: dict[str, Any]) -> float:
    action = container.get("lifecycle", {}).get("preStop", {})
    return float(action.get("sleep", {}).get("seconds", 0))


def _terminate(programs: Iterable[Program]) -> None:
    for program in programs:
        if program.running:
            program.terminate()


def _wait(programs: Iterable[Program], seconds: float) -> None:
    for program in programs:
        program.wait(seconds)
