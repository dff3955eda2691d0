"""Who sets the number of replicas of a Deployment, besides a deploy and people with kubectl."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.sources.kubernetes import ClusterClient
from config.naming import MANIFEST_ANNOTATION

PEOPLE = "kubectl"
"""How the names of field managers begin that set a number once, and do not set it again by themselves."""


def find_owners(cluster: ClusterClient, deployment: Mapping[str, Any]) -> list[str]:
    """Return what would set the number of replicas again while a drill has set it to 0, in words.

    Args:
        cluster: The Deployment's.
        deployment: The Deployment, with its managed fields.

    Raises:
        KubectlError: The autoscalers can't be read.
    """
    metadata = deployment["metadata"]
    scalers = cluster.get("horizontalpodautoscalers", "--namespace", metadata["namespace"])["items"]
    return [
        *(f"HorizontalPodAutoscaler {one['metadata']['name']}" for one in scalers if _scales(one, metadata["name"])),
        *(f"{one['kind']} {one['name']}" for one in metadata.get("ownerReferences", ())),
        *(f"field manager {name}" for name in sorted(set(_managers(metadata)))),
    ]


def _scales(scaler: Mapping[str, Any], name: str) -> bool:
    target = scaler["spec"]["scaleTargetRef"]
    return (target["kind"], target["name"]) == ("Deployment", name)


def _managers(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the managers of spec.replicas that are neither a deploy, which applies its annotation, nor a person."""
    deploys = {
        entry["manager"]
        for entry in metadata.get("managedFields", ())
        if f"f:{MANIFEST_ANNOTATION}" in _owned(entry, "f:metadata").get("f:annotations", {})
    }
    for entry in metadata.get("managedFields", ()):
        manager = entry["manager"]
        if "f:replicas" in _owned(entry, "f:spec") and manager not in deploys and not manager.startswith(PEOPLE):
            yield manager


def _owned(entry: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return the fields in a part of an object that an entry of its managed fields has."""
    found: Mapping[str, Any] = entry.get("fieldsV1", {}).get(part, {})
    return found
