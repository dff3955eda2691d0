"""Whether this machine gets to the control planes, and is among those that may."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.described import LookupResult
from cli.sources.expected_resources import Inventory, clusters
from cli.sources.google import ApiError
from cli.sources.kubernetes import endpoint_of
from cli.sources.observed_address import VARIABLE, NotObservedError, observed
from cli.sources.remediation import api_error_fix
from config import Environment, ResolvedRegion
from config.loading.load import OPERATOR_VARIABLE

SECONDS = 5.0
"""For a connection. GKE does not refuse addresses that it does not admit: it lets them wait."""

NETWORKS = "authorized networks"
DEPLOY = "cdktf deploy network clusters"


@dataclass(frozen=True)
class Attempt:
    """A try to get to one control plane.

    Attributes:
        project: its id.
        cluster: as the GKE API describes it; None if there is none.
        host: of the endpoint that the configuration says; empty if there is none.
        error: why it was not reached; empty if it was, or was not tried.
        source: this machine's address on the way there.
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
    def reached(self) -> bool:
        return bool(self.host) and not self.error

    @property
    def admitted(self) -> tuple[IPv4Network, ...]:
        """The cluster's own authorized networks, as they are now."""
        cluster = self.cluster if isinstance(self.cluster, dict) else {}
        blocks = cluster.get("masterAuthorizedNetworksConfig", {}).get("cidrBlocks", [])
        return tuple(IPv4Network(one["cidrBlock"]) for one in blocks if ":" not in one["cidrBlock"])


def try_all(environment: Environment, inventory: Inventory) -> list[Attempt]:
    """Try to connect to every control plane, all at once."""
    there = clusters(inventory)
    with ThreadPoolExecutor(8) as pool:
        regions = environment.resolved_regions()
        return list(pool.map(lambda region: _try(environment, region, there.get(region.key)), regions))


def check(environment: Environment, attempts: Sequence[Attempt]) -> list[Finding]:
    """Return a finding for each control plane, and one for the list of who may."""
    match environment.cluster.endpoint:
        case "dns":
            text = "are not asked for at the DNS endpoint, where IAM decides"
            return [ok(NETWORKS, text), *(_without_list(one) for one in attempts)]
        case "private":
            return [_inside(environment, attempts), *(_without_list(one) for one in attempts)]
        case _:
            return _public(environment, attempts)


def connect(host: str, seconds: float = SECONDS) -> IPv4Address | None:
    """Open a connection and close it. Return this machine's address on it.

    Args:
        host: with a port, or at 443.

    Raises:
        OSError: it could not be opened.
    """
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port or 443)), timeout=seconds) as connection:
        address = connection.getsockname()[0]
    return None if ":" in address else IPv4Address(address)


def _try(environment: Environment, region: ResolvedRegion, cluster: LookupResult) -> Attempt:
    attempt = partial(Attempt, environment.project.id, region, cluster)
    if not isinstance(cluster, dict):
        return attempt(source=_way_to(str(region.ranges.control_plane[2])))
    host = endpoint_of(environment, cluster)
    if not host:
        return attempt()
    try:
        return attempt(host, source=connect(host))
    except TimeoutError:
        return attempt(host, f"no answer within {SECONDS:.0f} s", _way_to(host))
    except OSError as error:
        return attempt(host, error.strerror or str(error), _way_to(host))


def _way_to(host: str) -> IPv4Address | None:
    """Return the address that this machine would take to an address; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.connect((host.partition(":")[0], 443))
            return IPv4Address(way.getsockname()[0])
    except OSError:
        return None


def _configured(environment: Environment) -> dict[IPv4Network, str]:
    """Return the authorized networks that the configuration has for all clusters, with their names."""
    networks = {one.cidr: one.name for one in environment.cluster.authorized_networks}
    if environment.cluster.operator_address is not None:
        networks.setdefault(environment.cluster.operator_address, "operator")
    return networks


def _inside_of(environment: Environment, region: ResolvedRegion) -> tuple[IPv4Network, ...]:
    """Return who in the VPC a cluster admits besides: its own, and the pods that watch it for other clusters."""
    watchers = (one.cidr for one in environment.peer_api_clients(region.key))
    return (region.ranges.nodes, region.ranges.pods, *watchers)


def _holds(networks: Iterable[IPv4Network], address: IPv4Address) -> IPv4Network | None:
    return next((network for network in networks if address in network), None)


def _common(attempt: Attempt) -> Finding | None:
    """Return what is to say whatever the endpoint is; None if it was tried, and not reached."""
    if isinstance(attempt.cluster, ApiError):
        text = f"is not known: {attempt.cluster}"
        return failure(attempt.name, text, api_error_fix(attempt.cluster, "container", attempt.project))
    if attempt.cluster is None:
        return ok(attempt.name, "is still to be made")
    if not attempt.host:
        return warning(attempt.name, f"has no such endpoint; the cluster is {_status(attempt.cluster)}", DEPLOY)
    if attempt.reached:
        return ok(attempt.name, f"is reached at {attempt.host}")
    return None


def _status(cluster: Mapping[str, Any]) -> str:
    return str(cluster.get("status", "in an unknown state"))


def _without_list(attempt: Attempt) -> Finding:
    fix = f"see what is in between: curl --insecure --max-time 5 https://{attempt.host}/version"
    return _common(attempt) or failure(attempt.name, f"is not reached at {attempt.host}: {attempt.error}", fix)


def _inside(environment: Environment, attempts: Sequence[Attempt]) -> Finding:
    """Return whether this machine may come to the private addresses.

    Each cluster admits its own nodes and pods by itself, and who is in the list.
    Source: https://cloud.google.com/kubernetes-engine/docs/concepts/private-cluster-concept
    """
    configured = _configured(environment)
    outside = []
    for one in attempts:
        admitted = (*configured, *_inside_of(environment, one.region))
        if one.source is None or not _holds(admitted, one.source):
            outside.append(one)
    if not outside:
        return ok(NETWORKS, f"{attempts[0].source} may come to every private address")
    addresses = ", ".join(sorted({str(one.source) for one in outside if one.source})) or "no address"
    keys = ", ".join(one.region.key for one in outside)
    if all(one.reached for one in outside):
        return ok(NETWORKS, f"{addresses} is in none, and gets to {keys} all the same")
    fix = "deploy from a machine in the VPC whose range is in cluster.authorized_networks, or set cluster.endpoint: dns"
    return warning(NETWORKS, f"this machine has {addresses} on its way to {keys}, which is in none", fix)


def _public(environment: Environment, attempts: Sequence[Attempt]) -> list[Finding]:
    configured = _configured(environment)
    try:
        address = observed()
    except NotObservedError as error:
        fix = f"export {VARIABLE}=YOUR_ADDRESS && mesh doctor"
        unknown = warning(NETWORKS, f"not compared with this machine's address: {error}", fix)
        return [unknown, *(_of_public(one, configured, None) for one in attempts)]
    comparison = _comparison(configured, address, attempts)
    return [comparison, *(_of_public(one, configured, address) for one in attempts)]


def _comparison(configured: Mapping[IPv4Network, str], address: IPv4Address, attempts: Sequence[Attempt]) -> Finding:
    network = _holds(configured, address)
    if network is not None:
        return ok(NETWORKS, f"{address} is in {network} ({configured[network]})")
    fix = f"export {OPERATOR_VARIABLE}={address}/32"
    shown = ", ".join(f"{network} ({name})" for network, name in configured.items())
    text = f"this machine, {address}, is in none of {shown}"
    if any(_holds(one.admitted, address) for one in attempts):
        return failure(NETWORKS, f"{text}; clusters admit it now, and the next deploy ends that", fix)
    if attempts and all(one.reached for one in attempts):
        return warning(NETWORKS, f"{text}, and gets to all control planes: it may have several addresses", fix)
    return failure(NETWORKS, f"{text}: no control plane would let it in", fix)


def _of_public(attempt: Attempt, configured: Mapping[IPv4Network, str], address: IPv4Address | None) -> Finding:
    common = _common(attempt)
    if common is not None:
        return common
    text = f"is not reached at {attempt.host}: {attempt.error}"
    if address is None:
        return failure(attempt.name, text, f"export {OPERATOR_VARIABLE}=YOUR_ADDRESS/32 && {DEPLOY}")
    if _holds(attempt.admitted, address):
        fix = f"see what is in between: curl --insecure --max-time 5 https://{attempt.host}/version"
        return failure(attempt.name, f"{text}, although it admits {address}", fix)
    if _holds(configured, address):
        return warning(attempt.name, f"{text}; the clusters stack will have it admit {address}", DEPLOY)
    return failure(attempt.name, text, f"export {OPERATOR_VARIABLE}={address}/32 && {DEPLOY}")


def reached(attempts: Iterable[Attempt]) -> dict[str, Mapping[str, Any]]:
    """Return the clusters that were reached, by region."""
    return {one.region.key: one.cluster for one in attempts if one.reached and isinstance(one.cluster, dict)}
