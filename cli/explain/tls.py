"""How a client's proxy connects to an endpoint, and what the server's proxy accepts."""

from dataclasses import dataclass
from enum import StrEnum

from cli.explain.proxy import VIRTUAL_INBOUND, Part, Proxy, filter_chains

RAW = "envoy.transport_sockets.raw_buffer"


class TlsMode(StrEnum):
    """How a proxy connects."""

    PLAIN = "plain text"
    TLS = "TLS without a client certificate"
    MUTUAL = "mutual TLS"


def tls_to(proxy: Proxy, cluster: Part, address: str) -> TlsMode:
    """Return how a client's proxy connects to an endpoint."""
    socket = cluster.get("transport_socket")
    labels = {"tlsMode": "istio"} if proxy.accepts_mutual_tls.get((eds_name(cluster), address)) else {}
    for one in cluster.get("transport_socket_matches", ()):
        if one.get("match", {}).items() <= labels.items():
            socket = one["transport_socket"]
            break
    if socket is None or socket["name"] == RAW:
        return TlsMode.PLAIN
    context = socket["typed_config"].get("common_tls_context", {})
    certificates = any(key in context for key in ("tls_certificate_sds_secret_configs", "tls_certificates"))
    return TlsMode.MUTUAL if certificates else TlsMode.TLS


def eds_name(cluster: Part) -> str:
    """Return the name under which the control plane sends a cluster's endpoints."""
    return str(cluster.get("eds_cluster_config", {}).get("service_name") or cluster["name"])


@dataclass(frozen=True)
class Inbound:
    """What a server's proxy does with connections to a port.

    Attributes:
        plain: The filter chain of plain text; None if it refuses that.
        mutual: The filter chain of mutual TLS; None if it takes TLS for the application's own.
    """

    plain: Part | None
    mutual: Part | None

    def chain(self, mode: TlsMode) -> Part | None:
        """Return the chain that gets a connection; None if it is refused."""
        if mode is TlsMode.PLAIN:
            return self.plain
        if mode is TlsMode.MUTUAL or self.mutual is None:
            return self.mutual
        return None if _terminates_mutual_tls(self.mutual) else self.mutual


def inbound_to(proxy: Proxy, port: int) -> Inbound | None:
    """Return what a server's proxy does with connections to a port; None if it captures none."""
    listener = proxy.listeners.get(VIRTUAL_INBOUND)
    if listener is None:
        return None
    chains = [one for one in filter_chains(listener) if one.get("name") != f"{VIRTUAL_INBOUND}-blackhole"]
    own = [one for one in chains if one.get("filter_chain_match", {}).get("destination_port") == port]
    chains = own or [one for one in chains if "destination_port" not in one.get("filter_chain_match", {})]
    tls = [one for one in chains if one.get("filter_chain_match", {}).get("transport_protocol") == "tls"]
    plain = [one for one in chains if one.get("filter_chain_match", {}).get("transport_protocol") != "tls"]
    mutual = [one for one in tls if _terminates_mutual_tls(one)]
    return Inbound(next(iter(plain), None), next(iter(mutual), None))


def _terminates_mutual_tls(chain: Part) -> bool:
    context = chain.get("transport_socket", {}).get("typed_config", {})
    return bool(context.get("require_client_certificate"))
