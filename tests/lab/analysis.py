"""What Istio's own analysis says of the rendered manifests."""

import json
import subprocess
from collections.abc import Iterable

from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.rendered import Object
from tests.local_mesh.toolchain import Toolchain
from tests.reporting.table import Table

SECONDS = 120


def analyze(lab: LocalMesh, tools: Toolchain, revision: str, rendered: dict[str, list[Object]]) -> Table:
    """Run ``istioctl analyze`` in each region, where the manifests are applied: it has to say nothing of them."""
    table = Table("istioctl analyze, of the rendered objects where they are applied", ["region", "objects", "messages"])
    elsewhere: dict[str, str] = {}
    for key, region in lab.regions.items():
        ours = {_origin(one) for one in rendered[key]}
        found: list[str] = []
        for namespace in sorted({one["metadata"].get("namespace") for one in rendered[key]} - {None}):
            for message in _messages(tools, str(region.cluster.kubeconfig), revision, namespace):
                text = f"{message['code']} {message['origin']}: {message['message']}"
                if message["origin"] in ours:
                    found.append(text)
                elif "WebhookConfiguration" not in message["origin"]:  # the lab's own way to reach istiod
                    elsewhere[message["code"]] = text
        table.add(key, len(ours), len(found), ok=bool(ours) and not found)
        table.notes.extend(found)
    table.notes.extend(f"not of these objects: {text}" for text in elsewhere.values())
    return table


def _origin(manifest: Object) -> str:
    metadata = manifest["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
    return f"{manifest['kind']} {name}"


def _messages(tools: Toolchain, kubeconfig: str, revision: str, namespace: str) -> Iterable[dict[str, str]]:
    """Return what istioctl finds in a namespace; its status says only whether that is something."""
    command = [str(tools.path("istioctl")), "--kubeconfig", kubeconfig, "analyze", "--revision", revision]
    result = subprocess.run(
        [*command, "--namespace", namespace, "--output", "json"],
        env=tools.variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if not result.stdout.strip().startswith("["):
        raise LocalMeshError(f"istioctl analyze: {result.stderr.strip() or result.stdout.strip()}")
    messages: list[dict[str, str]] = json.loads(result.stdout)
    return messages
