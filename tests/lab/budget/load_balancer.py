"""A fake of Google's load balancer: it sends users to the nearest region's healthy gateways, else to other regions'.

It is an Envoy in the lab's own namespace with a port for the users of each region and an address of its own,
`REGIONAL_FRONT_END`, which a region can be cut off from. It checks the health of the
gateways as the BackendConfig says, retries nothing, and takes changes of its backends from files, as the real one
takes them from network endpoint groups: requests under way are not interrupted.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.local_mesh.network import REGIONAL_FRONT_END
from tests.local_mesh.processes import Program
from tests.local_mesh.toolchain import Toolchain

ADDRESS = "127.0.0.1"
FIRST_PORT = 8001
GATEWAY_PORT, STATUS_PORT, STATUS_PATH = 80, 15021, "/healthz/ready"

CHECK_SECONDS = 1
FAILED_CHECKS = 2
"""A gateway gets no more requests after so many failed checks. Google's default with container-native load balancing
is two checks, 15 s apart: https://github.com/kubernetes/ingress-gce/blob/master/pkg/healthchecks/healthchecks.go"""

_TYPES = "type.googleapis.com/envoy"

Backends = Mapping[str, Sequence[str]]
"""Addresses of the gateways, by region."""


class LoadBalancer:
    """The fake load balancer of all regions' users."""

    def __init__(self, tools: Toolchain, regions: Sequence[str], folder: Path, log: Path) -> None:
        """Prepare it.

        Args:
            tools: the toolchain.
            regions: their keys.
            folder: for its files.
            log: file of its output.
        """
        self._tools, self._regions, self._folder, self._log = tools, regions, folder, log
        self._program: Program | None = None

    def address(self, region: str) -> str:
        """Return address and port for the users near a region."""
        return f"{ADDRESS}:{FIRST_PORT + self._regions.index(region)}"

    def start(self, backends: Backends) -> None:
        self._folder.mkdir(parents=True)
        self.set_backends(backends)
        configuration = self._folder / "envoy.json"
        configuration.write_text(json.dumps(self._build()), encoding="utf-8")
        command = [str(self._tools.envoy), "-c", str(configuration), "--disable-hot-restart", "--concurrency", "1"]
        self._program = Program("load balancer", [*command, "--log-level", "warning"], log=self._log)

    def check(self) -> None:
        """Raise a LocalMeshError if it ended."""
        assert self._program is not None, "start it first"
        self._program.check()

    def set_backends(self, backends: Backends) -> None:
        """Send new requests to these gateways only."""
        for region in self._regions:
            draft = self._folder / f"{region}.draft"
            draft.write_text(json.dumps(_assignment(region, backends)), encoding="utf-8")
            draft.rename(self._backends_file(region))  # Envoy watches for a move

    def _backends_file(self, region: str) -> Path:
        return self._folder / f"{region}.json"

    def _build(self) -> dict[str, Any]:
        return {
            "node": {"id": "load-balancer", "cluster": "load-balancer"},
            "static_resources": {
                "listeners": [_listener(key, FIRST_PORT + at) for at, key in enumerate(self._regions)],
                "clusters": [_cluster(key, self._backends_file(key)) for key in self._regions],
            },
        }


def _assignment(region: str, backends: Backends) -> dict[str, Any]:
    """Return the backends of the users near a region: its own first, then all others."""
    serving = {key: addresses for key, addresses in backends.items() if addresses}
    has_own = region in serving  # Envoy wants priorities from 0 on, without a gap
    endpoints = [
        {
            "locality": {"region": key},
            "priority": int(has_own and key != region),
            "lb_endpoints": [{"endpoint": _endpoint(address)} for address in addresses],
        }
        for key, addresses in serving.items()
    ]
    kind = f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment"
    return {"resources": [{"@type": kind, "cluster_name": region, "endpoints": endpoints}]}


def _endpoint(address: str) -> dict[str, Any]:
    socket = {"address": address, "port_value": GATEWAY_PORT}
    return {"address": {"socket_address": socket}, "health_check_config": {"port_value": STATUS_PORT}}


def _listener(region: str, port: int) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": region, "timeout": "30s"}}
    manager = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": region,
        "route_config": {"virtual_hosts": [{"name": region, "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": region,
        "address": {"socket_address": {"address": ADDRESS, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _cluster(region: str, backends: Path) -> dict[str, Any]:
    check = {
        "timeout": f"{CHECK_SECONDS}s",
        "interval": f"{CHECK_SECONDS}s",
        "no_traffic_interval": f"{CHECK_SECONDS}s",
        "unhealthy_threshold": FAILED_CHECKS,
        "healthy_threshold": 1,
        "http_health_check": {"path": STATUS_PATH},
    }
    return {
        "name": region,
        "type": "EDS",
        "connect_timeout": "1s",
        "upstream_bind_config": {"source_address": {"address": str(REGIONAL_FRONT_END), "port_value": 0}},
        "eds_cluster_config": {"eds_config": {"path_config_source": {"path": str(backends)}}},
        "health_checks": [check],
        "ignore_health_on_host_removal": True,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }
