"""The health of a load balancer's endpoints, as its own health checks find it.

Source: https://cloud.google.com/compute/docs/reference/rest/v1/backendServices/getHealth
"""

from collections.abc import Iterable, Mapping, Sequence

from cli.sources.google import GoogleClient
from cli.sources.worker_pool import worker_pool

HEALTHY = "HEALTHY"
UNKNOWN = "UNKNOWN"


def read_backend_health(google: GoogleClient, services: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return the states of the endpoints of global backend services, by the zone of their endpoint groups.

    Args:
        google: The APIs.
        services: Names of the backend services; what does not exist has no endpoints.

    Returns:
        For each zone that has groups, the state of each endpoint, such as `HEALTHY`; empty for groups without any.

    Raises:
        ApiError: Google refused a call.
        MeshError: There are no credentials.
    """
    paths = [f"projects/{google.project}/global/backendServices/{name}" for name in services]
    with worker_pool(8) as pool:
        found = list(pool.map(lambda path: google.find("compute", path), paths))
        backends = [
            (path, backend["group"])
            for path, service in zip(paths, found, strict=True)
            for backend in (service or {}).get("backends", ())
            if "/zones/" in backend["group"]
        ]
        states = list(pool.map(lambda each: _read_group(google, *each), backends))
    zones: dict[str, list[str]] = {}
    for (_, group), each in zip(backends, states, strict=True):
        zones.setdefault(group.split("/zones/")[1].split("/")[0], []).extend(each)
    return zones


def _read_group(google: GoogleClient, service: str, group: str) -> list[str]:
    health = google.post("compute", f"{service}/getHealth", {"group": group})
    return [str(one.get("healthState", UNKNOWN)) for one in health.get("healthStatus", ())]
