"""Objects that the fleet's controllers create in the clusters for Multi Cluster Ingress."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from tests.local_mesh.rendered import Object


def derived_services(objects: Iterable[Object]) -> list[Object]:
    """Return the derived Services of the config cluster's MultiClusterServices, which each cluster gets.

    They are headless and called ``mci-NAME-svc-HASH``.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress ("derived Services").
    """
    return [_build_derived_service(one) for one in objects if one["kind"] == "MultiClusterService"]


def _build_derived_service(service: Object) -> Object:
    metadata, template = service["metadata"], service["spec"]["template"]["spec"]
    identity = f"{metadata['namespace']}/{metadata['name']}"
    digest = base64.b32encode(hashlib.sha256(identity.encode()).digest()).decode().lower()[:16]
    spec: dict[str, Any] = {"clusterIP": "None", "selector": template["selector"], "ports": template["ports"]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"mci-{metadata['name']}-svc-{digest}", "namespace": metadata["namespace"]},
        "spec": spec,
    }
