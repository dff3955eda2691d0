"""What an environment consists of, and how its parts hang together: the model that a picture is drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Subnet:
    """A region's subnet and its way out.

    Attributes:
        nodes, pods, services: its ranges; empty if it has none of that name.
        nat: names of the Cloud NAT and its router; empty if there is none.
    """

    name: str
    nodes: str
    pods: str
    services: str
    nat: str
    router: str


@dataclass(frozen=True)
class Pool:
    """A cluster's nodes.

    Attributes:
        least, most: nodes in a zone.
        zones: empty if GKE chooses them.
        tags: by which firewall rules know the nodes.
    """

    name: str
    machine: str
    least: int
    most: int
    zones: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Deployed:
    """A service's pods of one version in one cluster."""

    version: str
    pods: int


@dataclass(frozen=True)
class Service:
    """A service as one cluster has it.

    Attributes:
        deployed: its pods here; empty where only its name resolves.
        failover: a DestinationRule with outlier detection is on: answers are local
            as long as there are any.
    """

    name: str
    namespace: str
    ports: tuple[int, ...]
    deployed: tuple[Deployed, ...]
    failover: bool

    @property
    def address(self) -> str:
        """What clients in the mesh call it, without the port."""
        return f"{self.name}.{self.namespace}"

    @property
    def answers(self) -> bool:
        """Whether it has pods here."""
        return any(deployed.pods for deployed in self.deployed)


@dataclass(frozen=True)
class Gateway:
    """An ingress gateway in one cluster.

    Attributes:
        least, most: pods; both the same without an autoscaler.
        routes: paths that it sends on (a star at the end: all that start so), each
            with the address of a service.
    """

    name: str
    namespace: str
    labels: Mapping[str, str]
    least: int
    most: int
    routes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cluster:
    """A region's cluster and what runs in it.

    Attributes:
        control_plane: range of its control plane.
        endpoint: by which it is reached from outside: ``public``, ``private`` or ``dns``.
        authorized: who may reach it, each a name and a range.
        channel: release channel.
        mesh: who makes and runs the mesh's control plane, in words; empty if it is in none, or that is not known.
        member: it is in the mesh; a retired region's cluster is not.
        config: it holds the objects of Multi Cluster Ingress, says the fleet.
        clients: Deployments that no service is made of, such as ``sleep.sample``.
    """

    name: str
    control_plane: str
    endpoint: str
    authorized: tuple[tuple[str, str], ...]
    channel: str
    mesh: str
    member: bool
    config: bool
    pools: tuple[Pool, ...]
    gateways: tuple[Gateway, ...]
    services: tuple[Service, ...]
    clients: tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """One region.

    Attributes:
        key: its name in the configuration
        location: Google's name for it.
    """

    key: str
    location: str
    subnet: Subnet
    cluster: Cluster


@dataclass(frozen=True)
class Rule:
    """A firewall rule.

    Attributes:
        action: ``allows`` or ``denies``.
        traffic: protocols with their ports, such as ``tcp 15017``.
        outgoing: it is about what the targets send, and not about what they get.
        priority: as Google counts: of two rules the one with the smaller number holds.
        ends: ranges and tags of the other end; none are everybody.
        targets: tags of the nodes that it is for; none are all in the VPC.
        why: its description.
    """

    name: str
    action: str
    traffic: tuple[str, ...]
    outgoing: bool
    priority: int
    ends: tuple[str, ...]
    targets: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Entry:
    """What users come in by.

    Attributes:
        name, namespace: of the MultiClusterIngress.
        held_by: key of the region whose cluster has its objects.
        address: name of the global address; empty if it is to have an ephemeral one.
        domains: for which it has certificates, and so HTTPS; empty for plain HTTP.
        redirects: from HTTP to HTTPS.
        guard: name of the Cloud Armor policy before it; empty if there is none.
        service: name of the MultiClusterService, empty if there is none of the ingress' namespace.
        port: of that service.
        health: how the load balancer asks whether a gateway is ready, such as
            ``/healthz/ready on 15021``; empty if it isn't told.
        reaches: keys of the regions and names of the gateways behind it.
    """

    name: str
    namespace: str
    held_by: str
    address: str
    domains: tuple[str, ...]
    redirects: bool
    guard: str
    service: str
    port: int
    health: str
    reaches: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Topology:
    """One environment.

    Attributes:
        trust: ordered pairs of region keys: the first one's cluster sees the services
            of the second one's.
        by_secrets: it does, as it holds a remote secret; else as the mesh is told to connect its clusters.
    """

    project: str
    vpc: str
    regions: tuple[Region, ...]
    trust: frozenset[tuple[str, str]]
    by_secrets: bool
    rules: tuple[Rule, ...]
    entries: tuple[Entry, ...]

    def elsewhere(self, key: str, address: str) -> tuple[tuple[str, Deployed], ...]:
        """Return who else answers for a service in a region: what the clusters run that its own one watches."""
        return tuple(
            (region.key, deployed)
            for region in self.regions
            if (key, region.key) in self.trust
            for service in region.cluster.services
            if service.address == address
            for deployed in service.deployed
            if deployed.pods
        )
