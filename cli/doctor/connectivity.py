"""Whether this machine can connect to the GKE control planes, and is in their authorized networks."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError, LookupResult
from cli.sources.kubernetes import endpoint_of
from cli.sources.observed_address import VARIABLE, NotObservedError, observed
from cli.sources.remediation import api_error_fix
from cli.sources.resources import ExpectedResources, clusters_by_region
from config import Environment, ResolvedRegion
from config.loading.load import OPERATOR_VARIABLE

SECONDS = 5.0
"""Timeout of a connection. GKE does not refuse addresses that are not authorized: it drops their packets."""

NETWORKS = "authorized networks"
DEPLOY = "cdktf deploy network clusters"


@dataclass(frozen=True)
class Attempt:
    """An attempt to connect to one control plane.

    Attributes:
        project: The project's id.
        region: The cluster's region.
        cluster: The cluster, as the GKE API describes it; None if there is none.
        host: The host of the configured endpoint; empty if there is none.
        error: Why the connection failed; empty if it did not, or was not attempted.
        source: This machine's address on the route to it.
    """

    project: str
    region: ResolvedRegion
    cluster: LookupResult
    host: str = ""
    error: str = ""
    source: IPv4Address | None = None

    @property
    def name(self) -> str:
        return f"control plane of {self.region.key}"

    @property
    def connected(self) -> bool:
        return bool(self.host) and not self.error

    @property
    def authorized(self) -> tuple[IPv4Network, ...]:
        """The cluster's current authorized networks."""
        cluster = self.cluster if isinstance(self.cluster, dict) else {}
        blocks = cluster.get("masterAuthorizedNetworksConfig", {}).get("cidrBlocks", [])
        return tuple(IPv4Network(one["cidrBlock"]) for one in blocks if ":" not in one["cidrBlock"])


def try_all(environment: Environment, resources: ExpectedResources) -> list[Attempt]:
    """Attempt to connect to every control plane, all at once."""
    clusters = clusters_by_region(resources)
    with ThreadPoolExecutor(8) as pool:
        regions = environment.resolved_regions()
        return list(pool.map(lambda region: _try(environment, region, clusters.get(region.key)), regions))


def check(environment: Environment, attempts: Sequence[Attempt]) -> list[Finding]:
    """Check each control plane, and the authorized networks."""
    match environment.cluster.endpoint:
        case "dns":
            text = "not required: IAM authorizes requests to DNS endpoints"
            return [ok(NETWORKS, text), *(_check_connection(one) for one in attempts)]
        case "private":
            return [_check_private(environment, attempts), *(_check_connection(one) for one in attempts)]
        case _:
            return _check_public(environment, attempts)


def connect(host: str, seconds: float = SECONDS) -> IPv4Address | None:
    """Open a connection and close it. Return this machine's address on it.

    Args:
        host: The host, with a port if it is not 443.
        seconds: The timeout.

    Raises:
        OSError: It could not be opened.
    """
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port or 443)), timeout=seconds) as connection:
        address = connection.getsockname()[0]
    return None if ":" in address else IPv4Address(address)


def _try(environment: Environment, region: ResolvedRegion, cluster: LookupResult) -> Attempt:
    attempt = partial(Attempt, environment.project.id, region, cluster)
    if not isinstance(cluster, dict):
        return attempt(source=_route_to(str(region.ranges.control_plane[2])))
    host = endpoint_of(environment, cluster)
    if not host:
        return attempt()
    try:
        return attempt(host, source=connect(host))
    except TimeoutError:
        return attempt(host, f"no response within {SECONDS:.0f} s", _route_to(host))
    except OSError as error:
        return attempt(host, error.strerror or str(error), _route_to(host))


def _route_to(host: str) -> IPv4Address | None:
    """Return this machine's address on the route to a host, without sending anything."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
            route.connect((host.partition(":")[0], 443))
            return IPv4Address(route.getsockname()[0])
    except OSError:
        return None


def _configured(environment: Environment) -> dict[IPv4Network, str]:
    """Return the authorized networks that the configuration gives all clusters, with their names."""
    networks = {one.cidr: one.name for one in environment.cluster.authorized_networks}
    if environment.cluster.operator_address is not None:
        networks.setdefault(environment.cluster.operator_address, "operator")
    return networks


def _inside_of(environment: Environment, region: ResolvedRegion) -> tuple[IPv4Network, ...]:
    """Return the ranges in the VPC that a cluster authorizes besides: its own, and the peer API clients' pods."""
    peers = (one.cidr for one in environment.peer_api_clients(region.key))
    return (region.ranges.nodes, region.ranges.pods, *peers)


def _holds(networks: Iterable[IPv4Network], address: IPv4Address) -> IPv4Network | None:
    return next((network for network in networks if address in network), None)


def _check_attempt(attempt: Attempt) -> Finding | None:
    """Return the finding that is the same for all endpoints; None if the connection failed."""
    if isinstance(attempt.cluster, ApiError):
        text = f"unknown: {attempt.cluster}"
        return failure(attempt.name, text, api_error_fix(attempt.cluster, "container", attempt.project))
    if attempt.cluster is None:
        return ok(attempt.name, "not created yet")
    if not attempt.host:
        status = attempt.cluster.get("status", "unknown")
        return warning(
            attempt.name, f"the cluster does not have the configured endpoint; its status is {status}", DEPLOY
        )
    if attempt.connected:
        return ok(attempt.name, f"reachable at {attempt.host}")
    return None


def _check_connection(attempt: Attempt) -> Finding:
    fix = f"check the network between this machine and the endpoint: curl --insecure --max-time 5 https://{attempt.host}/version"
    return _check_attempt(attempt) or failure(attempt.name, f"unreachable at {attempt.host}: {attempt.error}", fix)


def _check_private(environment: Environment, attempts: Sequence[Attempt]) -> Finding:
    """Check that the private addresses authorize this machine.

    Each cluster authorizes its own nodes and pods by itself, besides the authorized networks.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/private-cluster-concept
    """
    configured = _configured(environment)
    outside = []
    for one in attempts:
        authorized = (*configured, *_inside_of(environment, one.region))
        if one.source is None or not _holds(authorized, one.source):
            outside.append(one)
    if not outside:
        return ok(NETWORKS, f"this machine's address {attempts[0].source} is authorized at every private endpoint")
    addresses = ", ".join(sorted({str(one.source) for one in outside if one.source})) or "none"
    keys = ", ".join(one.region.key for one in outside)
    if all(one.connected for one in outside):
        return ok(NETWORKS, f"this machine's address {addresses} is in none, but the endpoints of {keys} are reachable")
    fix = "deploy from a machine in the VPC whose range is in cluster.authorized_networks, or set cluster.endpoint: dns"
    return warning(NETWORKS, f"this machine's address on the route to {keys}, {addresses}, is in none", fix)


def _check_public(environment: Environment, attempts: Sequence[Attempt]) -> list[Finding]:
    configured = _configured(environment)
    try:
        address = observed()
    except NotObservedError as error:
        fix = f"export {VARIABLE}=YOUR_ADDRESS && mesh doctor"
        unknown = warning(NETWORKS, f"not compared with this machine's address: {error}", fix)
        return [unknown, *(_check_public_endpoint(one, configured, None) for one in attempts)]
    comparison = _check_networks(configured, address, attempts)
    return [comparison, *(_check_public_endpoint(one, configured, address) for one in attempts)]


def _check_networks(
    configured: Mapping[IPv4Network, str], address: IPv4Address, attempts: Sequence[Attempt]
) -> Finding:
    network = _holds(configured, address)
    if network is not None:
        return ok(NETWORKS, f"this machine's address {address} is in {network} ({configured[network]})")
    fix = f"export {OPERATOR_VARIABLE}={address}/32"
    shown = ", ".join(f"{network} ({name})" for network, name in configured.items())
    text = f"this machine's address {address} is in none of {shown}"
    if any(_holds(one.authorized, address) for one in attempts):
        return failure(NETWORKS, f"{text}; clusters authorize it now, and the next deploy removes it", fix)
    if attempts and all(one.connected for one in attempts):
        return warning(
            NETWORKS, f"{text}, but all control planes are reachable: the machine may have several addresses", fix
        )
    return failure(NETWORKS, f"{text}: the control planes will refuse its connections", fix)


def _check_public_endpoint(
    attempt: Attempt, configured: Mapping[IPv4Network, str], address: IPv4Address | None
) -> Finding:
    common = _check_attempt(attempt)
    if common is not None:
        return common
    text = f"unreachable at {attempt.host}: {attempt.error}"
    if address is None:
        return failure(attempt.name, text, f"export {OPERATOR_VARIABLE}=YOUR_ADDRESS/32 && {DEPLOY}")
    if _holds(attempt.authorized, address):
        fix = f"check the network between this machine and the endpoint: curl --insecure --max-time 5 https://{attempt.host}/version"
        return failure(attempt.name, f"{text}, although {address} is authorized", fix)
    if _holds(configured, address):
        return warning(attempt.name, f"{text}; the next deploy of the clusters stack authorizes {address}", DEPLOY)
    return failure(attempt.name, text, f"export {OPERATOR_VARIABLE}={address}/32 && {DEPLOY}")


def connected(attempts: Iterable[Attempt]) -> dict[str, Mapping[str, Any]]:
    """Return the clusters that this machine can connect to, by region."""
    return {one.region.key: one.cluster for one in attempts if one.connected and isinstance(one.cluster, dict)}
