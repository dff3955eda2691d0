"""Objects that the fleet's controllers create in the clusters for Multi Cluster Ingress."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from tests.local_mesh.rendered import Object

DERIVED = "mci-"
"""How the names of derived Services begin."""


def derived_services(objects: Iterable[Object], cluster: str) -> list[Object]:
    """Return the derived Services that a cluster gets for the config cluster's MultiClusterServices.

    They are headless and called ``mci-NAME-svc-HASH``. A MultiClusterService with ``clusters`` is for those alone.
    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/multi-cluster-ingress ("derived Services", "Cluster
    selection").

    Args:
        objects: of the config cluster.
        cluster: ``LOCATION/CLUSTER``.
    """
    services = (one for one in objects if one["kind"] == "MultiClusterService")
    return [derived_service(one) for one in services if is_selected(one, cluster)]


def is_selected(service: Object, cluster: str) -> bool:
    """Return whether a MultiClusterService is for a cluster."""
    return {"link": cluster} in service["spec"].get("clusters", [{"link": cluster}])


def derived_service(service: Object) -> Object:
    """Return the derived Service of a MultiClusterService."""
    metadata, template = service["metadata"], service["spec"]["template"]["spec"]
    identity = f"{metadata['namespace']}/{metadata['name']}"
    spec: dict[str, Any] = {"clusterIP": "None", "selector": template["selector"], "ports": template["ports"]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"{DERIVED}{metadata['name']}-svc-{digest(identity, 16)}",
            "namespace": metadata["namespace"],
        },
        "spec": spec,
    }


def digest(text: str, length: int) -> str:
    """Return the part of a controller's name that makes it different from all others."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:length]
