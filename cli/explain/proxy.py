"""The configuration of one proxy, as Envoy runs with it.

Source: https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--config_dump
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import ProxyEndpoint, parse_endpoints, request_proxy

Part = Mapping[str, Any]
"""A part of Envoy's configuration."""

HTTP = "envoy.filters.network.http_connection_manager"
TCP = "envoy.filters.network.tcp_proxy"
VIRTUAL_OUTBOUND, VIRTUAL_INBOUND = "virtualOutbound", "virtualInbound"
ANY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True)
class Proxy:
    """What a proxy does with requests.

    Attributes:
        listeners: By name.
        routes: Route configurations by name.
        clusters: By name.
        accepts_mutual_tls: Whether the control plane says so of an endpoint, by cluster and address.
        endpoints: Of all clusters.
        identity: The proxy's own in the mesh, such as ``spiffe://cluster.local/ns/sample/sa/sleep``; empty without.
        expires: When its certificate expires; None without one.
    """

    listeners: Mapping[str, Part]
    routes: Mapping[str, Part]
    clusters: Mapping[str, Part]
    accepts_mutual_tls: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    endpoints: Sequence[ProxyEndpoint] = ()
    identity: str = ""
    expires: datetime | None = None

    @property
    def is_gateway(self) -> bool:
        """Whether requests come to it by its own ports, and not because it captures them."""
        return VIRTUAL_OUTBOUND not in self.listeners

    def listener(self, address: str, port: int) -> Part | None:
        """Return the listener that gets what the pod sends to an address, as Envoy chooses it; None without one."""
        found = {one["address"]["socket_address"]["address"]: one for one in self._listening(port)}
        return found.get(address, found.get(ANY_ADDRESS))

    def _listening(self, port: int) -> Iterator[Part]:
        for one in self.listeners.values():
            if one.get("address", {}).get("socket_address", {}).get("port_value") == port:
                yield one

    def endpoints_of(self, cluster: str) -> list[ProxyEndpoint]:
        """Return the endpoints of a cluster."""
        return [one for one in self.endpoints if one.cluster == cluster]


def read_proxy(cluster: ClusterClient, namespace: str, pod: str) -> Proxy:
    """Read the configuration of a pod's proxy.

    Raises:
        KubectlError: The pod does not run, or has no proxy.
    """
    paths = ("config_dump?include_eds", "clusters?format=json", "certs")
    with ThreadPoolExecutor(len(paths)) as pool:
        dump, clusters, certificates = pool.map(lambda path: request_proxy(cluster, namespace, pod, path), paths)
    return parse_proxy(dump, clusters, certificates)


def parse_proxy(dump: str, clusters: str, certificates: str) -> Proxy:
    """Return a proxy's configuration.

    Args:
        dump: What Envoy returns at ``/config_dump?include_eds``.
        clusters: At ``/clusters?format=json``.
        certificates: At ``/certs``.

    Raises:
        KubectlError: They are not what Envoy returns.
    """
    try:
        parts = {one["@type"].rpartition(".")[2]: one for one in json.loads(dump)["configs"]}
        identity, expires = _certificate(json.loads(certificates))
        return Proxy(
            {one["name"]: one for one in _listeners(parts.get("ListenersConfigDump", {}))},
            {one["name"]: one for one in _of(parts.get("RoutesConfigDump", {}), "route_configs", "route_config")},
            {one["name"]: one for one in _of(parts.get("ClustersConfigDump", {}), "active_clusters", "cluster")},
            dict(_endpoint_modes(parts.get("EndpointsConfigDump", {}))),
            parse_endpoints(clusters),
            identity,
            expires,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KubectlError("the proxy did not return its configuration as JSON") from None


def http_manager(chain: Part) -> Part | None:
    """Return the settings of a filter chain's HTTP connection manager; None if it has none."""
    return next((one["typed_config"] for one in chain.get("filters", ()) if one["name"] == HTTP), None)


def tcp_proxy(chain: Part) -> Part | None:
    """Return the settings of a filter chain's TCP proxy; None if it has none."""
    return next((one["typed_config"] for one in chain.get("filters", ()) if one["name"] == TCP), None)


def filter_chains(listener: Part) -> list[Part]:
    """Return the filter chains of a listener, the default one last."""
    default = listener.get("default_filter_chain")
    return [*listener.get("filter_chains", ()), *([default] if default else [])]


def istio_metadata(part: Part) -> Part:
    """Return what Istio notes in a part of the configuration, such as the object from which it comes."""
    found: Part = part.get("metadata", {}).get("filter_metadata", {}).get("istio", {})
    return found


def _listeners(dump: Part) -> Iterator[Part]:
    for one in dump.get("dynamic_listeners", ()):
        state = one.get("active_state")
        if state is not None:
            yield state["listener"]


def _of(dump: Part, group: str, key: str) -> Iterator[Part]:
    """Yield the parts of a dump that have names; only some static ones have none."""
    names = (f"dynamic_{group}", "static_clusters" if key == "cluster" else f"static_{group}")
    for name in names:
        for one in dump.get(name, ()):
            if "name" in one[key]:
                yield one[key]


def _endpoint_modes(dump: Part) -> Iterator[tuple[tuple[str, str], bool]]:
    """Yield whether each endpoint has the label by which a client's proxy chooses mutual TLS."""
    for name in ("dynamic_endpoint_configs", "static_endpoint_configs"):
        for one in dump.get(name, ()):
            assignment = one["endpoint_config"]
            groups = assignment.get("endpoints", ())
            for endpoint in (each for group in groups for each in group.get("lb_endpoints", ())):
                address = endpoint.get("endpoint", {}).get("address", {}).get("socket_address")
                if address is None:
                    continue
                labels = endpoint.get("metadata", {}).get("filter_metadata", {}).get("envoy.transport_socket_match", {})
                yield (assignment.get("cluster_name", ""), address["address"]), labels.get("tlsMode") == "istio"


def _certificate(content: Part) -> tuple[str, datetime | None]:
    """Return the identity and the expiry of a proxy's own certificate."""
    for one in content.get("certificates", ()):
        for certificate in one.get("cert_chain", ()):
            for name in certificate.get("subject_alt_names", ()):
                if name.get("uri", "").startswith("spiffe://"):
                    return name["uri"], datetime.fromisoformat(certificate["expiration_time"])
    return "", None
