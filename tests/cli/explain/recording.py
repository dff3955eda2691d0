"""What kubectl printed while `mesh explain` followed a request in a lab with something broken, and its replay.

To record again, in a shell of `make lab-shell REGIONS=2` with something broken:
``.venv/bin/python -m tests.cli.explain.recording NAME CLIENT``. Parts of the proxies' configuration that `mesh explain`
does not read are left out.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cli.explain import server
from cli.explain.command import run_explain
from cli.explain.options import ExplainOptions
from cli.report.findings import Report
from cli.report.output import Output
from cli.sources import kubernetes
from config import load
from config.paths import ROOT

FOLDER = Path(__file__).parent / "recordings"
RECORDED = datetime(2026, 11, 28, 18, tzinfo=UTC)
"""Certificates of a lab are valid for a day."""

SERVICE, REGION = "helloworld", "tokyo"
KEPT_DUMPS = ("ListenersConfigDump", "RoutesConfigDump", "ClustersConfigDump", "EndpointsConfigDump")
LEFT_OUT = frozenset(
    {
        *("tracing", "access_log", "sds_config", "managedFields", "ownerReferences", "volumes", "volumeMounts", "env"),
        *("last_updated", "circuit_breakers", "retry_policy", "tls_params", "image", "imageID", "resources", "args"),
        *("securityContext", "tolerations", "readinessProbe", "lifecycle", "envFrom", "containerID", "uid"),
        *("sidecar.istio.io/status", "proxy.istio.io/overrides", "static_listeners", "ca_cert"),
    }
)
"""Keys of JSON that `mesh explain` does not read."""

OTHERS = re.compile(r"mci-istio-ingressgateway|_(15021|443)$|^(agent|prometheus_stats|sds-grpc|xds-grpc)$")
"""Names in a proxy's configuration that have no part in a request to the service."""


class Replay:
    """Takes the place of `cli.sources.kubernetes.run_kubectl`."""

    def __init__(self, printed: Mapping[str, Mapping[str, Any]]) -> None:
        self._printed = printed

    def __call__(
        self, command: Sequence[str], variables: Mapping[str, str], text: str, seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        found = self._printed.get(_key(command))
        assert found is not None, f"not recorded: {_key(command)}"
        output = found["output"] if isinstance(found["output"], str) else json.dumps(found["output"])
        return subprocess.CompletedProcess(command, found["status"], output, found["errors"])


def printed_in(name: str) -> dict[str, Any]:
    """Return what kubectl has printed in a recording, by its arguments."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


@contextmanager
def replaying(printed: Mapping[str, Any], now: datetime = RECORDED) -> Iterator[None]:
    """Let kubectl print what was recorded, at a time at which the certificates are valid."""
    with (
        patch.object(kubernetes, "run_kubectl", Replay(printed)),
        patch.object(kubernetes, "proxied", lambda *_: nullcontext({})),
        patch("cli.sources.kubernetes.shutil.which", lambda tool: tool),
        patch.object(server, "current_time", lambda: now),
    ):
        yield


def replay(
    name: str, sources: Sequence[str], now: datetime = RECORDED, printed: Mapping[str, Any] | None = None
) -> Report:
    """Follow a request as it was when a recording was made, or as if it were another time, or something else there."""
    with replaying(printed_in(name) if printed is None else printed, now):
        return _explain(FOLDER / "kubeconfig.yaml", ROOT / "mesh.yaml", sources)


def record(name: str, sources: Sequence[str]) -> Report:
    """Follow a request in a lab, and write what kubectl prints."""
    printed: dict[str, Any] = {}

    def run(
        command: Sequence[str], variables: Mapping[str, str], text: str, seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        result = original(command, variables, text, seconds)
        printed[_key(command)] = {
            "status": result.returncode,
            "output": _trimmed(result.stdout),
            "errors": result.stderr,
        }
        return result

    original = kubernetes.run_kubectl
    with (
        patch.object(kubernetes, "run_kubectl", run),
        patch.object(kubernetes, "proxied", lambda *_: nullcontext({})),  # every call by kubectl
    ):
        report = _explain(Path(os.environ["KUBECONFIG"]), Path(os.environ["MESH_CONFIG"]), sources)
    FOLDER.mkdir(exist_ok=True)
    lines = (f"{json.dumps(key)}: {json.dumps(printed[key], separators=(',', ':'))}" for key in sorted(printed))
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return report


def _explain(kubeconfig: Path, config: Path, sources: Sequence[str]) -> Report:
    return run_explain(load(config), kubeconfig, ExplainOptions(SERVICE, (REGION, *sources)), Output())


def _key(command: Sequence[str]) -> str:
    """Return a command without what is another one on each machine."""
    words = list(command[1:])
    at = words.index("--kubeconfig")
    return " ".join(words[:at] + words[at + 2 :])


def _trimmed(text: str) -> Any:
    try:
        content = json.loads(text)
    except ValueError:
        return "\n".join(_listening(text.splitlines()))
    if "configs" in content:
        content["configs"] = [one for one in content["configs"] if one["@type"].endswith(KEPT_DUMPS)]
    if "cluster_statuses" in content:
        content["cluster_statuses"] = [one for one in content["cluster_statuses"] if SERVICE in one["name"]]
    return _without(content)


def _listening(lines: Sequence[str]) -> Iterator[str]:
    return (one for one in lines if " 0A " in one)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if key not in LEFT_OUT and not _is_other(one)}
    return [_without(one) for one in value if not _is_other(one)] if isinstance(value, list) else value


def _is_other(value: Any) -> bool:
    """Return whether a part is about another service, or of the proxy's own administration."""
    if not isinstance(value, dict):
        return False
    if "endpoint_config" in value:
        return SERVICE not in value["endpoint_config"].get("cluster_name", "")
    inner = value.get("cluster") or value.get("route_config") or value.get("metadata") or value
    name = str(inner.get("name", "") if isinstance(inner, dict) else inner)
    return OTHERS.search(name) is not None


if __name__ == "__main__":
    report = record(sys.argv[1], sys.argv[2:])
    for _, finding in report.findings():
        print(finding.state, finding.name, finding.text, finding.fix, sep=" | ")
