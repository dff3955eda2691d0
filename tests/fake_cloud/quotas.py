"""Quotas of Compute Engine: limits and usage; its regions, zones and machine types."""

from collections import Counter
from collections.abc import Iterator, Mapping

from werkzeug.routing import Rule

from config.google_names import MACHINE_TYPES, REGIONS, zones_of
from tests.fake_cloud.cloud import ApiRequest, Body, Cloud, rule
from tests.fake_cloud.compute import PREFIX
from tests.fake_cloud.errors import CloudError
from tests.fake_cloud.store import Resource

PROJECT_LIMITS: Mapping[str, float] = {
    "BACKEND_SERVICES": 50,
    "CPUS_ALL_REGIONS": 200,
    "FIREWALLS": 200,
    "FORWARDING_RULES": 50,
    "HEALTH_CHECKS": 75,
    "NETWORKS": 15,
    "ROUTERS": 20,
    "SSL_CERTIFICATES": 30,
    "STATIC_ADDRESSES": 21,
    "SUBNETWORKS": 275,
    "TARGET_HTTPS_PROXIES": 30,
    "TARGET_HTTP_PROXIES": 30,
    "URL_MAPS": 30,
}
REGION_LIMITS: Mapping[str, float] = {
    "C2_CPUS": 72,
    "CPUS": 72,
    "INSTANCES": 720,
    "N2_CPUS": 72,
    "NETWORK_ENDPOINT_GROUPS": 100,
    "SSD_TOTAL_GB": 8192,
}
"""Limits as projects usually have them; a test may change them."""

COUNTED = {
    "FIREWALLS": "firewalls",
    "NETWORKS": "networks",
    "ROUTERS": "routers",
    "STATIC_ADDRESSES": "addresses",
    "SUBNETWORKS": "subnetworks",
}
"""By quota: the collection whose resources count against it. Those of regions count in the project."""


class Quotas:
    """Shows limits and usage; it does not enforce them.

    Attributes:
        limits: other limits than the usual ones, by quota, ``REGION/QUOTA`` or ``project/QUOTA``; None for no quota.
        absent: machine types that a zone does not have, as ``ZONE/MACHINE_TYPE``.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.limits: dict[str, float | None] = {}
        self.absent: set[str] = set()

    def rules(self) -> list[Rule]:
        return [
            rule("GET", f"{PREFIX}projects/<project>", self.get_project),
            rule("GET", f"{PREFIX}projects/<project>/regions/<region>", self.get_region),
            rule("GET", f"{PREFIX}projects/<project>/zones/<zone>/machineTypes/<machine_type>", self.get_machine_type),
        ]

    def get_project(self, request: ApiRequest) -> Body:
        usage = Counter[str]()
        for path in self._cloud.store.all():
            for quota, collection in COUNTED.items():
                usage[quota] += path.split("/")[-2:-1] == [collection]
        for _, nodes, pool in self._pools():
            usage["CPUS_ALL_REGIONS"] += nodes * _vcpus(pool)
        return {
            "kind": "compute#project",
            "name": request.name,
            "quotas": self._quotas(PROJECT_LIMITS, usage, "project/"),
        }

    def get_region(self, request: ApiRequest) -> Body:
        region, home = request.name, f"https://www.googleapis.com{PREFIX}projects/{self._cloud.project}"
        if region not in REGIONS:
            raise _not_found(request.path)
        usage = Counter[str]()
        for location, nodes, pool in self._pools():
            if location == region:
                usage["INSTANCES"] += nodes
                usage["SSD_TOTAL_GB"] += nodes * pool.get("config", {}).get("diskSizeGb", 100)
                usage[_cpus_quota(pool)] += nodes * _vcpus(pool)
        return {
            "kind": "compute#region",
            "name": region,
            "quotas": self._quotas(REGION_LIMITS, usage, f"{region}/"),
            "zones": [f"{home}/zones/{zone}" for zone in zones_of(region)],
        }

    def get_machine_type(self, request: ApiRequest) -> Body:
        zone, name = request.path.split("/")[-3], request.name
        if f"{zone}/{name}" in self.absent or name not in MACHINE_TYPES:
            raise _not_found(request.path)
        return {"kind": "compute#machineType", "name": name, "zone": zone}

    def _quotas(self, usual: Mapping[str, float], usage: Mapping[str, int], place: str) -> list[Body]:
        limits: dict[str, float | None]
        limits = {quota: self.limits.get(quota, limit) for quota, limit in usual.items()}
        limits |= {name.removeprefix(place): limit for name, limit in self.limits.items() if name.startswith(place)}
        return [
            {"metric": quota, "limit": limit, "usage": float(usage.get(quota, 0))}
            for quota, limit in sorted(limits.items())
            if limit is not None
        ]

    def _pools(self) -> Iterator[tuple[str, int, Resource]]:
        """Yield each node pool with its region and its number of nodes."""
        for path, pool in self._cloud.store.all().items():
            if "/nodePools/" in path:
                yield path.split("/")[3], count_nodes(pool), pool


def _not_found(path: str) -> CloudError:
    return CloudError(404, "notFound", f"The resource '{path}' was not found")


def count_nodes(pool: Resource) -> int:
    """Return the number of a pool's nodes in all zones; the fake cloud does not scale."""
    return int(pool.get("initialNodeCount", 0)) * len(pool["locations"])


def _machine(pool: Resource) -> str:
    return str(pool.get("config", {}).get("machineType", "e2-medium"))


def _vcpus(pool: Resource) -> int:
    number = _machine(pool).rpartition("-")[2]
    return int(number) if number.isdigit() else 2


def _cpus_quota(pool: Resource) -> str:
    family = _machine(pool).partition("-")[0]
    return "CPUS" if family in ("e2", "n1") else f"{family.upper()}_CPUS"
