"""Probes of a pod's containers, as a kubelet runs them.

Source: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

import http.client
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.processes import inside

KINDS = ("startupProbe", "livenessProbe", "readinessProbe")

PERIOD_SECONDS, TIMEOUT_SECONDS, FAILURES = 10, 1, 3
"""Kubernetes' defaults."""

LEAST_TIMEOUT_SECONDS = 2
"""A shorter timeout would be a test of how busy the machine is."""

FIRST_PERIOD_SECONDS = 0.2
FIRST_PROBES = 100
"""Until a probe's first success, it runs this often in between, so many times: the lab does not wait for periods.

Only a failure at the end of a period counts.
"""


@dataclass(frozen=True)
class Target:
    """What a container's probes reach.

    Attributes:
        address: of the pod.
        network: of the pod; the current one if absent.
        folder: working directory of the container.
        variables: environment of the container.
    """

    address: str
    network: Namespace | None
    folder: Path
    variables: Mapping[str, str]


@dataclass
class Probe:
    """One probe of a container.

    Attributes:
        target: what it reaches.
        manifest: of the probe.
        result: True and False after as many consecutive successes and failures as its thresholds; None before.
    """

    target: Target
    manifest: Mapping[str, Any]
    result: bool | None = None
    _successes: int = 0
    _failures: int = 0
    _tries: int = 0
    _due: float = 0.0
    _period_ends: float = 0.0

    def reset(self) -> None:
        """Start again, for a container that was started again."""
        self.result = None
        self._successes = self._failures = self._tries = 0
        self._due = self._period_ends = time.monotonic() + float(self.manifest.get("initialDelaySeconds", 0))

    def run_if_due(self) -> None:
        """Run the probe if it is time."""
        started = time.monotonic()
        if started < self._due:
            return
        counts = started >= self._period_ends
        if counts:
            self._period_ends = started + float(self.manifest.get("periodSeconds", PERIOD_SECONDS))
        self._tries += 1
        if try_once(self.target, self.manifest):
            self._successes, self._failures = self._successes + 1, 0
            if self._successes >= int(self.manifest.get("successThreshold", 1)):
                self.result = True
        elif counts:
            self._successes, self._failures = 0, self._failures + 1
            if self._failures >= int(self.manifest.get("failureThreshold", FAILURES)):
                self.result = False
        between = self.result is not True and self._tries < FIRST_PROBES
        self._due = min(self._period_ends, started + FIRST_PERIOD_SECONDS) if between else self._period_ends


class ContainerProbes:
    """The probes of one container: its startup probe first, then the others."""

    def __init__(self, target: Target, container: Mapping[str, Any]) -> None:
        self.name: str = container["name"]
        self._probes = {kind: Probe(target, container[kind]) for kind in KINDS if kind in container}
        self.reset()

    def reset(self) -> None:
        for probe in self._probes.values():
            probe.reset()

    def run(self) -> None:
        """Run the probes that are due."""
        startup = self._probes.get("startupProbe")
        if startup is not None and startup.result is not True:
            startup.run_if_due()
            return
        for kind, probe in self._probes.items():
            if kind != "startupProbe":
                probe.run_if_due()

    @property
    def ready(self) -> bool:
        """Whether startup and readiness probes succeed; a container without them is ready when it runs."""
        return all(
            self._probes[kind].result is True for kind in ("startupProbe", "readinessProbe") if kind in self._probes
        )

    @property
    def has_to_restart(self) -> bool:
        """Whether its startup or liveness probe has failed."""
        return any(
            self._probes[kind].result is False for kind in ("startupProbe", "livenessProbe") if kind in self._probes
        )


def try_once(target: Target, probe: Mapping[str, Any]) -> bool:
    """Return whether a probe succeeds, once.

    Raises:
        LocalMeshError: the probe has a type that the lab does not know.
    """
    seconds = max(LEAST_TIMEOUT_SECONDS, float(probe.get("timeoutSeconds", TIMEOUT_SECONDS)))
    for kind, work in _TYPES.items():
        if kind in probe:
            try:
                return work(target, probe[kind], seconds)
            except (OSError, http.client.HTTPException, subprocess.TimeoutExpired):
                return False
    raise LocalMeshError(f"a pod at {target.address} has a probe of an unknown type: {', '.join(probe)}")


def _get(target: Target, request: Mapping[str, Any], seconds: float) -> bool:
    with closing(http.client.HTTPConnection(target.address, request["port"], timeout=seconds)) as connection:
        connection.request("GET", request["path"])
        return 200 <= connection.getresponse().status < 400


def _connect(target: Target, request: Mapping[str, Any], seconds: float) -> bool:
    socket.create_connection((target.address, request["port"]), timeout=seconds).close()
    return True


def _execute(target: Target, request: Mapping[str, Any], seconds: float) -> bool:
    result = subprocess.run(
        inside(request["command"], target.network, None),
        cwd=target.folder,
        env=dict(target.variables),
        capture_output=True,
        check=False,
        timeout=seconds,
    )
    return result.returncode == 0


_TYPES: dict[str, Callable[[Target, Mapping[str, Any], float], bool]] = {
    "httpGet": _get,
    "tcpSocket": _connect,
    "exec": _execute,
}
"""A gRPC probe is the sidecar's: the injector rewrites it to HTTP."""
