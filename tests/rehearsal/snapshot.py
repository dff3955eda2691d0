"""Snapshots of the whole environment, and their differences."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from tests.local_mesh.cluster import LocalCluster
from tests.rehearsal.expected import DEMO_NAMESPACE, GATEWAY_NAMESPACE, found_objects, remote_secrets, served_kinds
from tests.rehearsal.simulated_cloud import SimulatedCloud

Snapshot = dict[str, Any]
"""Content of resources and objects, by ``cloud PATH`` or ``REGION KIND NAMESPACE/NAME``."""

CLOUD_LEFT_OUT = frozenset({"id", "address", "createTime", "etag", "masterAuth", "membershipStates", "uniqueId"})
"""Fields that differ when the same resource is recreated, and a feature's states of the memberships."""

GROUPS = "/networkEndpointGroups/"

METADATA_KEPT = frozenset({"name", "namespace", "labels", "annotations", "finalizers"})
ANNOTATIONS_LEFT_OUT = (
    "deployment.kubernetes.io/revision",
    "networking.gke.io/last-reconcile-time",
    # Of a remote secret: a checksum of what it was created from, with the clusters' CAs. Each deploy checks it.
    "multi-region-mesh/inputs",
)
SPEC_LEFT_OUT = frozenset({"clusterIP", "clusterIPs"})
AUTOSCALER = "HorizontalPodAutoscaler"
OPTIONS = ("configmap", "asm-options", "--namespace", "istio-system", "--ignore-not-found")


def take_snapshot(
    cloud: SimulatedCloud,
    *,
    identities: bool = False,
    namespaces: Collection[str] = (DEMO_NAMESPACE, GATEWAY_NAMESPACE),
) -> Snapshot:
    """Return everything in the cloud and in every cluster.

    Args:
        cloud: the simulated cloud.
        identities: distinguish objects that were recreated or changed meanwhile, even if they are equal.
        namespaces: those of the stacks' objects.
    """
    found: Snapshot = {}
    for path, resource in cloud.fake.store.all().items():
        if "operations/" not in path:
            kept = {key: value for key, value in resource.items() if key not in CLOUD_LEFT_OUT}
            if GROUPS in path:
                kept.pop("description", None)  # with the id of its cluster
            found[f"cloud {path}"] = json.loads(json.dumps(kept))
    for role, member in cloud.server.resource_manager.grants():
        found[f"cloud grant {role} {member}"] = True
    for account, role, member in cloud.server.iam.grants():
        found[f"cloud grant {role} on {account} {member}"] = True
    for region, cluster in cloud.clusters().items():
        found |= {f"{region} {key}": value for key, value in _in_cluster(cluster, identities, namespaces).items()}
    return found


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the differences, a line each: ``+`` only in the second, ``-`` only in the first, ``~`` in both."""
    lines = [f"+ {key}" for key in sorted(set(other) - set(one))]
    lines += [f"- {key}" for key in sorted(set(one) - set(other))]
    for key in sorted(set(one) & set(other)):
        if one[key] != other[key]:
            lines.append(f"~ {key}: {_where(one[key], other[key])}")
    return lines


def _where(one: Any, other: Any, path: str = "") -> str:
    """Return the first place in which two values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            if one.get(key) != other.get(key):
                return _where(one.get(key), other.get(key), f"{path}.{key}")
    return f"{path or 'value'} was {str(one)[:80]}, is {str(other)[:80]}"


def _in_cluster(cluster: LocalCluster, identities: bool, namespaces: Collection[str]) -> dict[str, Any]:
    found = found_objects(cluster, served_kinds(cluster), namespaces)
    scaled = {item["spec"]["scaleTargetRef"]["name"] for (kind, _, _), item in found.items() if kind == AUTOSCALER}
    objects: dict[str, Any] = {}
    for (kind, namespace, name), item in found.items():
        content = _content(item, identities)
        if kind == "Deployment" and name in scaled:
            # The autoscaler sets the replicas.
            content["spec"].pop("replicas")
            content["metadata"].pop("generation", None)
        objects[f"{kind} {namespace}/{name}"] = content
    for name, secret in remote_secrets(cluster).items():
        # Its token is left out; `checks.objects` checks it.
        objects[f"Secret istio-system/{name}"] = _metadata(secret, identities)
    crds = cluster.get("customresourcedefinitions")["items"]
    objects |= {f"CustomResourceDefinition {item['metadata']['name']}": True for item in crds}
    options = cluster.kubectl("get", *OPTIONS, "--output", "json")
    if options.strip():
        objects["ConfigMap istio-system/asm-options"] = json.loads(options)["data"]
    return objects


def _content(item: Mapping[str, Any], identities: bool) -> dict[str, Any]:
    content = {key: value for key, value in item.items() if key not in ("metadata", "status", "secrets")}
    if "spec" in content:
        content["spec"] = {key: value for key, value in content["spec"].items() if key not in SPEC_LEFT_OUT}
    return {**content, "metadata": _metadata(item, identities)}


def _metadata(item: Mapping[str, Any], identities: bool) -> dict[str, Any]:
    metadata = item["metadata"]
    kept = {key: metadata[key] for key in METADATA_KEPT if key in metadata}
    annotations = metadata.get("annotations", {})
    kept["annotations"] = {key: value for key, value in annotations.items() if key not in ANNOTATIONS_LEFT_OUT}
    if identities:
        kept |= {"uid": metadata["uid"], "generation": metadata.get("generation", 0)}
    return kept
