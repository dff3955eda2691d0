"""A pod: a network namespace with a sidecar and a fake application."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from config.paths import ROOT
from tests.kubelet import expand
from tests.local_mesh.application.facts import HANGING_FILE, SLOW_FILE, UNHEALTHY_FILE, UNREADY_FILE
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.probes import ContainerProbes, Target
from tests.local_mesh.processes import Program

SIDECAR = "istio-proxy"
CAPTURE_CONTAINER = "istio-init"
DEFAULT_PROTOCOL = "http"

LABELS_FILE = "etc/istio/pod/labels"
ANNOTATIONS_FILE = "etc/istio/pod/annotations"
ROOT_FILE = "var/run/secrets/istio/root-cert.pem"
TOKEN_FILE = "var/run/secrets/tokens/istio-token"
BOOTSTRAP_FILE = "var/lib/istio/envoy/envoy_bootstrap_tmpl.json"

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
    - a container with ports is the fake application, which serves each port by its protocol;
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
        lost: its programs were killed without a notice, as on a lost node: nobody probes it or reports its status.
        restarts: number of times that its application was started again after a failed probe.
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
        self.lost = False
        self.restarts = 0
        self._network: Namespace | None = None
        self._protocols: Mapping[int, str] = {}
        self._applications: dict[str, Program] = {}
        self._sidecars: list[Program] = []
        self._probes = self._build_probes()

    def start(self, network: Namespace, token: str, protocols: Mapping[int, str]) -> None:
        """Start its programs.

        Args:
            network: its namespace.
            token: of its service account, for the mesh's CA.
            protocols: of its ports: http, http2, grpc or tcp. The others are http.
        """
        self.started = True
        self._network, self._protocols = network, protocols
        if any(container["name"] == CAPTURE_CONTAINER for container in self._containers):
            # Not at the top: unit tests of pods do not need the lab's packages.
            from tests.local_mesh.capture import capture  # noqa: PLC0415

            capture(network, self._context.services)
        self._write_files(token)
        self.start_sidecar()
        for container in self.manifest["spec"]["containers"]:
            if container["name"] != SIDECAR:
                self._start_application(container)
        self._probes = self._build_probes()

    def start_sidecar(self) -> None:
        """Start its proxy, if it has one."""
        assert self._network is not None, "start the pod first"
        for container in self._containers:
            if container["name"] == SIDECAR:
                self._sidecars.append(self._start(container, self._network, self._agent_command(container)))

    def _start_application(self, container: dict[str, Any]) -> None:
        assert self._network is not None, "start the pod first"
        ports = [port["containerPort"] for port in container.get("ports", [])]
        if ports:
            served = [f"{port}={self._protocols.get(port, DEFAULT_PROTOCOL)}" for port in ports]
            command = [sys.executable, "-m", "tests.local_mesh.application", *served]
            self._applications[container["name"]] = self._start(container, self._network, command)

    def probe(self) -> None:
        """Run the probes that are due, and start an application again whose startup or liveness probe has failed."""
        for container, probes in zip(self._containers, self._probes, strict=True):
            probes.run()
            program = self._applications.get(container["name"])
            if probes.has_to_restart and program is not None:
                program.kill()
                for name in (
                    UNHEALTHY_FILE,
                    UNREADY_FILE,
                    SLOW_FILE,
                    HANGING_FILE,
                ):  # a container starts with the files of its image
                    (self._folder / name).unlink(missing_ok=True)
                self._start_application(container)
                self.restarts += 1
                probes.reset()

    @property
    def ready(self) -> bool:
        """Whether all readiness probes succeed; a container without one is ready when it runs."""
        return all(probes.ready for probes in self._probes)

    @property
    def node(self) -> str:
        return str(self.manifest["spec"]["nodeName"])

    @property
    def drain_seconds(self) -> float:
        """How long its applications go on after its deletion: the longest ``preStop`` of the containers."""
        return max((_pre_stop_seconds(container) for container in self.manifest["spec"]["containers"]), default=0.0)

    def return_503(self) -> None:
        """Let the application return 503."""
        (self._folder / UNHEALTHY_FILE).touch()

    def respond_slowly(self) -> None:
        """Let the application take a second for each response."""
        (self._folder / SLOW_FILE).touch()

    def hang(self) -> None:
        """Let the application respond no more, while it takes connections and stays ready."""
        (self._folder / HANGING_FILE).touch()

    def recover(self) -> None:
        """End what `return_503`, `respond_slowly` or `hang` began."""
        for name in (UNHEALTHY_FILE, SLOW_FILE, HANGING_FILE):
            (self._folder / name).unlink(missing_ok=True)

    def fail_readiness(self) -> None:
        """Let the application fail its readiness probes; it still serves requests."""
        (self._folder / UNREADY_FILE).touch()

    def pass_readiness(self) -> None:
        (self._folder / UNREADY_FILE).unlink()

    def kill(self) -> None:
        """Kill all programs without a notice to the control plane."""
        self.lost = True
        for program in (*self._applications.values(), *self._sidecars):
            program.kill()
        self._applications.clear()
        self._sidecars.clear()

    def kill_sidecar(self) -> None:
        """Kill the proxy without a notice to the control plane: connections to the pod are refused."""
        self.lost = True
        for program in self._sidecars:
            program.kill()
        self._sidecars.clear()
        for probes in self._probes:  # so that it is ready only when the next proxy is
            probes.reset()

    def stop(self) -> None:
        """Stop the programs as a kubelet stops a pod.

        The applications get SIGTERM after the longest ``preStop`` of the containers; a sidecar
        gets it at once if it is a normal container, last if it is an init container. What still
        runs at the end of the grace period is killed.
        """
        spec = self.manifest["spec"]
        deadline = time.monotonic() + float(spec.get("terminationGracePeriodSeconds", 30))
        native = any(container["name"] == SIDECAR for container in spec.get("initContainers", []))
        if not native:
            _terminate(self._sidecars)
        time.sleep(self.drain_seconds)
        _terminate(self._applications.values())
        _wait(self._applications.values(), deadline)
        _terminate(self._sidecars)
        _wait(self._sidecars, deadline)

    def _build_probes(self) -> list[ContainerProbes]:
        return [
            ContainerProbes(
                Target(str(self.address), self._network, self._folder, self._variables(container)), container
            )
            for container in self._containers
        ]

    def _start(self, container: dict[str, Any], network: Namespace, command: list[str]) -> Program:
        return Program(
            f"{container['name']} of pod {self.name}",
            command,
            log=self._context.logs / f"{self.name}.{container['name']}.log",
            namespace=network,
            hosts=self._context.hosts,
            folder=self._folder,
            variables=self._variables(container)
            | {"HOSTNAME": self.name, "IMAGE": container.get("image", ""), "PYTHONPATH": str(ROOT)},
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


def _wait(programs: Iterable[Program], deadline: float) -> None:
    for program in programs:
        program.wait(max(0.0, deadline - time.monotonic()))
