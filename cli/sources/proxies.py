"""What Envoy in a pod knows: its endpoints, from its own administration interface.

The interface listens on the pod's loopback; ``pilot-agent request`` in the sidecar's container reaches it, in every
control plane mode: https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cli.sources.cluster_objects import Object
from cli.sources.kubernetes import SECONDS, ClusterClient, KubectlError

PROXY_CONTAINER = "istio-proxy"

HEALTHY = ("HEALTHY", "DEGRADED")


@dataclass(frozen=True)
class ProxyEndpoint:
    """An endpoint of a service, as one proxy sees it.

    Attributes:
        cluster: Envoy's name of the service and port, such as ``outbound|5000||helloworld.sample.svc.cluster.local``.
        address: Of the pod.
        port: Of the pod.
        region: The Google Cloud region that the control plane reports.
        zone: The zone that it reports.
        healthy: Whether the control plane and outlier detection let requests go there.
        ejected: Whether outlier detection keeps requests away.
        priority: 0 is the one to which requests go first.
        succeeded: The number of requests that this proxy has sent there with success.
        failed: The number of the others that have ended.
        unconnected: The number of connections to it that have failed.
        timed_out: The number of requests that took longer than the route's timeout.
        started: The number of all requests; of TCP, connections.
        active: The number of those that have not ended.
    """

    cluster: str
    address: str
    port: int
    region: str
    zone: str
    healthy: bool
    ejected: bool
    priority: int
    succeeded: int
    failed: int
    unconnected: int = 0
    timed_out: int = 0
    started: int = 0
    active: int = 0

    @property
    def host(self) -> str:
        """The service's host name; empty if the cluster is not one of a service."""
        parts = self.cluster.split("|")
        return parts[3] if len(parts) == 4 else ""

    @property
    def service_port(self) -> int:
        """The service's port; 0 if the cluster is not one of a service."""
        parts = self.cluster.split("|")
        return int(parts[1]) if len(parts) == 4 and parts[1].isdecimal() else 0

    @property
    def subset(self) -> str:
        """The service's subset; empty if the cluster is one of all its endpoints."""
        parts = self.cluster.split("|")
        return parts[2] if len(parts) == 4 else ""

    @property
    def outbound(self) -> bool:
        """Whether it is an endpoint to which the proxy's own pod sends requests."""
        return self.cluster.startswith("outbound|")

    @property
    def inbound(self) -> bool:
        """Whether it is the proxy's own pod, to which the proxy passes requests on."""
        return self.cluster.startswith("inbound|")


def has_proxy(pod: Object) -> bool:
    """Return whether a pod has a sidecar, or is a gateway; native sidecars are init containers."""
    spec = pod.get("spec", {})
    containers = (*spec.get("containers", ()), *spec.get("initContainers", ()))
    return any(one["name"] == PROXY_CONTAINER for one in containers)


def request_proxy(cluster: ClusterClient, namespace: str, pod: str, path: str, seconds: float = SECONDS) -> str:
    """Return what a pod's Envoy responds to a GET request.

    Args:
        cluster: The pod's.
        namespace: The pod's.
        pod: Its name, or ``deployment/NAME`` for any pod of a Deployment.
        path: Such as ``clusters?format=json``.
        seconds: The timeout.

    Raises:
        KubectlError: The pod does not run, or has no proxy.
    """
    command = ("pilot-agent", "request", "GET", path)
    return cluster.execute(namespace, pod, PROXY_CONTAINER, *command, seconds=seconds)


def read_endpoints(cluster: ClusterClient, namespace: str, pod: str) -> list[ProxyEndpoint]:
    """Return the endpoints that a pod's proxy knows.

    Args:
        cluster: The pod's.
        namespace: The pod's.
        pod: As for `request_proxy`.

    Raises:
        KubectlError: The pod does not run, has no proxy, or its proxy responds with something else.
    """
    return parse_endpoints(request_proxy(cluster, namespace, pod, "clusters?format=json"))


def parse_endpoints(text: str) -> list[ProxyEndpoint]:
    """Return the endpoints in the JSON of Envoy's ``/clusters?format=json``.

    Raises:
        KubectlError: It is no such JSON.
    """
    try:
        return list(_endpoints(json.loads(text)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KubectlError("the proxy did not return its endpoints as JSON") from None


def _endpoints(content: dict[str, Any]) -> Iterator[ProxyEndpoint]:
    for cluster in content.get("cluster_statuses", []):
        for host in cluster.get("host_statuses", []):
            address = host["address"].get("socket_address")
            if address is None:  # a pipe, or an internal listener
                continue
            health, locality = host.get("health_status", {}), host.get("locality", {})
            ejected = bool(health.get("failed_outlier_check"))
            status = health.get("eds_health_status", "HEALTHY")
            counts = {one["name"]: int(one.get("value", 0)) for one in host.get("stats", [])}
            yield ProxyEndpoint(
                cluster=cluster["name"],
                address=address["address"],
                port=int(address.get("port_value", 0)),
                region=locality.get("region", ""),
                zone=locality.get("zone", ""),
                healthy=status in HEALTHY and not ejected and not health.get("failed_active_health_check"),
                ejected=ejected,
                priority=int(host.get("priority", 0)),
                succeeded=counts.get("rq_success", 0),
                failed=counts.get("rq_error", 0),
                unconnected=counts.get("cx_connect_fail", 0),
                timed_out=counts.get("rq_timeout", 0),
                started=counts.get("rq_total", 0),
                active=counts.get("rq_active", 0),
            )
