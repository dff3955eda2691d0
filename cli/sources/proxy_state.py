"""What a pod's proxy reports of itself: its endpoints, its control plane, its certificates.

From Envoy's administration interface, so that it is the same in every control plane mode.
Source: https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.sources.cluster_objects import Object, identity
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.proxies import ProxyEndpoint, parse_endpoints, request_proxy

CONTROL_PLANE = "xds-grpc"
"""Envoy's name of the connection, by its agent, to the control plane (Istio's bootstrap)."""

REJECTED = ("cluster_manager.cds.update_rejected", "listener_manager.lds.update_rejected")
"""Counters of the configurations that the proxy has rejected since it started."""

ENDPOINTS = "clusters?format=json"
SECONDS_TO_CONNECT, SECONDS_TO_RESPOND = 1.0, 10.0

SPIFFE = "spiffe://"


@dataclass(frozen=True)
class ProxyCertificate:
    """A certificate of a proxy's identity, or of the CA by which it authenticates others.

    Attributes:
        since: When it became valid.
        until: When it expires.
    """

    since: datetime
    until: datetime

    def left(self, now: datetime) -> float:
        """Return the part of its lifetime that is left; negative once it has expired."""
        return (self.until - now) / (self.until - self.since)


@dataclass(frozen=True)
class ObservedProxy:
    """A pod's proxy.

    Attributes:
        pod: Its pod.
        problem: Why nothing is known of it; empty if that is not so.
        endpoints: The endpoints that it knows.
        connected: Whether it is connected to its control plane.
        rejected: How many configurations it has rejected since it started.
        certificates: Of its identity.
        authorities: The CAs by which it authenticates others.
    """

    pod: Object
    problem: str = ""
    endpoints: Sequence[ProxyEndpoint] = ()
    connected: bool = True
    rejected: int = 0
    certificates: Sequence[ProxyCertificate] = ()
    authorities: Sequence[ProxyCertificate] = ()

    @property
    def name(self) -> str:
        """Namespace and name of the pod."""
        return "/".join(identity(self.pod))


def observe_proxy(cluster: ClusterClient, pod: Object, *, whole: bool) -> ObservedProxy:
    """Read the state of a pod's proxy.

    Args:
        cluster: The pod's.
        pod: The pod.
        whole: Whether to read certificates and rejected configurations, too: a call of kubectl each.
    """
    namespace, name = identity(pod)

    def request(path: str) -> str:
        return request_proxy(cluster, namespace, name, path, SECONDS_TO_RESPOND)

    try:
        clusters = request(ENDPOINTS)
        endpoints, connected = parse_endpoints(clusters), _is_connected(clusters)
        if not connected:  # perhaps only just now: a control plane ends each connection after some time
            time.sleep(SECONDS_TO_CONNECT)
            connected = _is_connected(request(ENDPOINTS))
        if not whole:
            return ObservedProxy(pod, endpoints=endpoints, connected=connected)
        counters = request("stats?filter=update_rejected")
        certificates = list(_certificates(request("certs")))
    except KubectlError as error:
        return ObservedProxy(pod, str(error))
    return ObservedProxy(
        pod,
        endpoints=endpoints,
        connected=connected,
        rejected=_rejected(counters),
        certificates=[one for own, one in certificates if own],
        authorities=[one for own, one in certificates if not own],
    )


def _is_connected(clusters: str) -> bool:
    """Return whether the stream is open by which the control plane sends its configuration."""
    for cluster in json.loads(clusters).get("cluster_statuses", []):
        if cluster["name"] == CONTROL_PLANE:
            counts = (one for host in cluster.get("host_statuses", []) for one in host.get("stats", []))
            return any(one["name"] == "rq_active" and int(one.get("value", 0)) > 0 for one in counts)
    return True  # another bootstrap than Istio's


def _rejected(counters: str) -> int:
    pairs = (line.partition(": ") for line in counters.splitlines())
    return sum(int(value) for name, _, value in pairs if name in REJECTED)


def _certificates(text: str) -> Iterator[tuple[bool, ProxyCertificate]]:
    """Yield certificates, each after whether it is the proxy's own: those of Envoy's ``/certs`` with an identity.

    Raises:
        KubectlError: It is not the JSON of Envoy.
    """
    try:
        for entry in json.loads(text).get("certificates", []):
            chain = entry.get("cert_chain", [])
            names = [name.get("uri", "") for one in chain for name in one.get("subject_alt_names", [])]
            if any(name.startswith(SPIFFE) for name in names):
                yield from ((True, _certificate(one)) for one in chain)
                yield from ((False, _certificate(one)) for one in entry.get("ca_cert", []))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KubectlError("the proxy did not return its certificates as JSON") from None


def _certificate(content: dict[str, Any]) -> ProxyCertificate:
    since, until = (_time(content[field]) for field in ("valid_from", "expiration_time"))
    return ProxyCertificate(since, until)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
