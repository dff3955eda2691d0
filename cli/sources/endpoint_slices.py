"""The endpoints of Services, as the mesh gets them: EndpointSlices.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from collections.abc import Sequence

from cli.sources.cluster_objects import Object

SERVICE_LABEL = "kubernetes.io/service-name"


def ready_endpoints(slices: Sequence[Object], namespace: str, service: str) -> int:
    """Return how many addresses of a Service are ready; one whose condition is not set is."""
    own = (one for one in slices if one["metadata"]["namespace"] == namespace)
    own = (one for one in own if one["metadata"].get("labels", {}).get(SERVICE_LABEL) == service)
    endpoints = (endpoint for one in own for endpoint in one.get("endpoints") or ())
    ready = (one for one in endpoints if one.get("conditions", {}).get("ready") is not False)
    return len({address for one in ready for address in one["addresses"]})
