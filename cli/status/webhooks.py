"""`mesh status`, of webhooks that fail: without an endpoint, one refuses every object that it has to admit.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from cli.report.findings import Finding, failure, ok
from cli.sources.cluster_objects import Object
from cli.sources.endpoint_slices import ready_endpoints
from cli.sources.member import ObservedCluster
from cli.sources.remediation import chained
from cli.status.mesh import namespaces_of
from config.naming import MESH_NAMESPACE

ADMITTED = frozenset({"*", "*/*", "pods", "pods/*", "deployments", "replicasets", "services", "endpointslices"})
"""Resources without which pods of a service do not start, or get no requests."""

NAME_LABEL = "kubernetes.io/metadata.name"
"""Label that every namespace has: its name."""


def check_webhooks(member: ObservedCluster) -> Iterator[Finding]:
    """Yield a failure for each webhook of the environment's namespaces that refuses everything."""
    found = []
    for one in member.live.webhooks:
        stuck = [number for number, hook in enumerate(one.get("webhooks", [])) if _refuses(member, hook)]
        if not stuck:
            continue
        kind, name = one["kind"], one["metadata"]["name"]
        services = sorted({_service(one["webhooks"][number]) for number in stuck})
        text = f"it calls {', '.join(services)}, which has no ready endpoint: new objects of the services are refused"
        commands = []
        for number in stuck:
            change = [{"op": "add", "path": f"/webhooks/{number}/failurePolicy", "value": "Ignore"}]
            words = ["patch", kind.lower(), name, "--type", "json", "--patch", json.dumps(change)]
            commands.append(f"{member.kubectl} {shlex.join(words)}")
        found.append(failure(f"{kind} {name}", text, chained(commands)))
    yield from found or [ok("webhooks", "none refuses objects of the services")]


def _refuses(member: ObservedCluster, hook: Mapping[str, Any]) -> bool:
    """Return whether a webhook has nobody to ask, and then refuses objects of the environment's namespaces."""
    service = hook.get("clientConfig", {}).get("service")
    if service is None or hook.get("failurePolicy", "Fail") != "Fail":
        return False
    if service["namespace"] == MESH_NAMESPACE:  # the control plane's own: its finding is another
        return False
    resources = {one for rule in hook.get("rules", []) for one in rule.get("resources", [])}
    if ADMITTED.isdisjoint(resources):
        return False
    namespaces = (member.live.namespace(name) for name in namespaces_of(member.environment))
    if not any(one and _selects(hook.get("namespaceSelector") or {}, one) for one in namespaces):
        return False
    return not ready_endpoints(member.live.slices, service["namespace"], service["name"])


def _service(hook: Mapping[str, Any]) -> str:
    service = hook["clientConfig"]["service"]
    return f"{service['namespace']}/{service['name']}"


def _selects(selector: Mapping[str, Any], namespace: Object) -> bool:
    """Return whether a label selector matches a namespace.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
    """
    labels = {NAME_LABEL: namespace["metadata"]["name"], **namespace["metadata"].get("labels", {})}
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for one in selector.get("matchExpressions", []):
        key, values = one["key"], one.get("values", [])
        match one["operator"]:
            case "In":
                right = labels.get(key) in values
            case "NotIn":
                right = labels.get(key) not in values
            case "Exists":
                right = key in labels
            case _:
                right = key not in labels
        if not right:
            return False
    return True
