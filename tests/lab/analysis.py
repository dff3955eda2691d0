"""Istio's own analysis of the rendered manifests."""

import json
import subprocess
from collections.abc import Iterable

from config.demo import DEMO_NAMESPACE
from config.environment import DEMO_SERVICE
from config.kinds import GATEWAY_API
from config.naming import GATEWAY_NAMESPACE, MESH_NAMESPACE
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.rendered import Object
from tests.local_mesh.toolchain import Toolchain
from tests.reporting.table import Table

SECONDS = 120

ACCEPTED = {
    ("IST0145", f"Gateway {DEMO_NAMESPACE}/{DEMO_SERVICE}-gateway"),
    ("IST0145", f"Gateway {GATEWAY_NAMESPACE}/ingress"),
}
"""Codes and objects of expected messages.

The demo has a Gateway of its own beside that of all routes, and both take port 80 with every host. Istio merges
the servers of such Gateways if their protocol is HTTP (mergeGateways in pilot/pkg/model/gateway.go): the lab's
requests get the routes of both.
"""


READER = "istio-reader-service-account"
_ROUTES = "istioctl-analyze-reads-routes"
_RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": _ROUTES}}
READS_ROUTES: list[Object] = [
    {
        **_RBAC,
        "kind": "ClusterRole",
        "rules": [{"apiGroups": [GATEWAY_API], "resources": ["httproutes"], "verbs": ["list", "watch"]}],
    },
    {
        **_RBAC,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROUTES},
        "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": MESH_NAMESPACE}],
    },
]
"""What istioctl needs in the other clusters, whose objects it reads by the remote secrets.

Their account has no right to read HTTPRoutes, and istioctl waits for them without end (GOTCHAS.md).
"""


def analyze(lab: LocalMesh, tools: Toolchain, revision: str, rendered: dict[str, list[Object]]) -> Table:
    """Run ``istioctl analyze`` in each region with the applied manifests: it must not report any of them."""
    columns = ["Region", "Objects", "Messages", "Accepted messages"]
    table = Table("istioctl analyze: the rendered objects in their clusters", columns)
    others: dict[str, str] = {}
    for region in lab.regions.values():
        region.cluster.apply(READS_ROUTES)
    for key, region in lab.regions.items():
        own = {_origin(one) for one in rendered[key]}
        found: list[str] = []
        accepted = 0
        for namespace in sorted({one["metadata"].get("namespace") for one in rendered[key]} - {None}):
            for message in _messages(tools, str(region.cluster.kubeconfig), revision, namespace):
                text = f"{message['code']} {message['origin']}: {message['message']}"
                if (message["code"], message["origin"]) in ACCEPTED:
                    accepted += 1
                elif message["origin"] in own:
                    found.append(text)
                elif "WebhookConfiguration" not in message["origin"]:  # the lab's own route to istiod
                    others[message["code"]] = text
        table.add(key, len(own), len(found), accepted, ok=bool(own) and not found)
        table.notes.extend(found)
    table.notes.extend(f"about other objects: {text}" for text in others.values())
    return table


def _origin(manifest: Object) -> str:
    metadata = manifest["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
    return f"{manifest['kind']} {name}"


def _messages(tools: Toolchain, kubeconfig: str, revision: str, namespace: str) -> Iterable[dict[str, str]]:
    """Return istioctl's messages about a namespace; its exit status is not zero if there are any."""
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
