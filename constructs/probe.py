"""The probes of a container, as Kubernetes has them."""

from typing import Any

from config.container_text import escape
from config.services.probe import KUBERNETES_PERIOD, Probe, ReadinessProbe


def probe_manifest(probe: Probe, port: int) -> dict[str, Any]:
    """Return a probe without the fields that have the API server's own default.

    Args:
        probe: as configured.
        port: number of the port that it connects to.
    """
    manifest: dict[str, Any] = {}
    match probe.chosen:
        case "http":
            manifest["httpGet"] = {"path": probe.http, "port": port}
        case "tcp":
            manifest["tcpSocket"] = {"port": port}
        case "grpc":
            manifest["grpc"] = {"service": probe.grpc, "port": port} if probe.grpc else {"port": port}
        case "exec":
            manifest["exec"] = {"command": [escape(word) for word in probe.exec or ()]}
    successes = probe.success_threshold if isinstance(probe, ReadinessProbe) else 1
    fields = {
        "initialDelaySeconds": (probe.initial_delay_seconds, 0),
        "periodSeconds": (probe.period_seconds, KUBERNETES_PERIOD),
        "timeoutSeconds": (probe.timeout_seconds, 1),
        "failureThreshold": (probe.failure_threshold, 3),
        "successThreshold": (successes, 1),
    }
    return manifest | {name: value for name, (value, default) in fields.items() if value != default}
