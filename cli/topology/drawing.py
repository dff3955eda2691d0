"""What is drawn of a topology, whatever language it is drawn in: the boxes, the arrows and all their words."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from cli.topology.model import Cluster, Entry, Gateway, Pool, Region, Rule, Service, Subnet, Topology

WIDEST = 44
"""Characters in a line of a box, where there may be many: a region each."""


class Look(StrEnum):
    """What a box or an arrow stands for, which decides its looks."""

    USERS = "users"
    ENTRY = "entry"
    NETWORK = "network"
    CONTROL = "control"
    NODES = "nodes"
    GATEWAY = "gateway"
    SERVICE = "service"
    ABSENT = "absent"
    REQUESTS = "requests"
    TRUST = "trust"
    ADMITTED = "admitted"
    HIDDEN = "hidden"
    """Not drawn: it only has its end stand below its start."""


@dataclass(frozen=True)
class Box:
    """A box with words in it.

    Attributes:
        lines: the first one is its name.
    """

    id: str
    lines: tuple[str, ...]
    look: Look


@dataclass(frozen=True)
class Frame:
    """A frame around boxes and other frames.

    Attributes:
        faded: what is in it is on its way out.
    """

    id: str
    title: str
    boxes: tuple[Box, ...] = ()
    frames: tuple["Frame", ...] = ()
    faded: bool = False


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes.

    Attributes:
        both: it has a head at either end.
    """

    start: str
    end: str
    text: str
    look: Look
    both: bool = False


@dataclass(frozen=True)
class Legend:
    """A table of rules below the picture.

    Attributes:
        rows: a text for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


@dataclass(frozen=True)
class Drawing:
    """A picture.

    Attributes:
        boxes: those outside the frame.
        peers: ids of boxes that stand side by side, in this order, where a language can say so.
        lowest: ids of the boxes that stand above the legend.
    """

    boxes: tuple[Box, ...]
    frame: Frame
    arrows: tuple[Arrow, ...]
    peers: tuple[str, ...]
    lowest: tuple[str, ...]
    legend: Legend


def arrange(topology: Topology) -> Drawing:
    """Say what is to be drawn."""
    return _Arrangement(topology).drawing()


class _Arrangement:
    """Ids are made of places and not of names: a name may be anything, such as a word of the language."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._ids = {region.key: f"r{number}" for number, region in enumerate(topology.regions, 1)}
        self._tags = {
            tag: region.key for region in topology.regions for pool in region.cluster.pools for tag in pool.tags
        }
        places = list(self._ids)
        # Rules for many first, then by region as in the configuration.
        rules = sorted(
            topology.rules,
            key=lambda rule: (
                -len(rule.targets),
                [places.index(self._tags[tag]) for tag in rule.targets if tag in self._tags],
                -len(rule.traffic),
                rule.name,
            ),
        )
        self._rules = {f"F{number}": rule for number, rule in enumerate(rules, 1)}

    def drawing(self) -> Drawing:
        topology = self._topology
        boxes, entered = self._entries()
        arrows = (*entered, *self._routes(), *self._admitted(), *self._trust())
        joined = {(arrow.start, arrow.end) for arrow in arrows}
        order = (arrow for arrow in self._order(boxes[-1]) if (arrow.start, arrow.end) not in joined)
        return Drawing(
            boxes=tuple(boxes),
            frame=Frame(
                "vpc",
                f"VPC {topology.vpc}, project {topology.project}",
                frames=tuple(self._region(region) for region in topology.regions),
            ),
            arrows=(*arrows, *order),
            peers=tuple(f"{id_}_control" for id_ in self._ids.values()),
            lowest=tuple(f"{id_}_subnet" for id_ in self._ids.values()),
            legend=self._legend(),
        )

    def _entries(self) -> tuple[list[Box], list[Arrow]]:
        if not self._topology.entries:
            return [Box("entry", ("no way in from outside", "there is no Multi Cluster Ingress"), Look.ABSENT)], []
        boxes, arrows = [Box("users", ("users",), Look.USERS)], []
        for number, entry in enumerate(self._topology.entries, 1):
            box = Box(f"mci{number}", tuple(_entry_lines(entry)), Look.ENTRY)
            boxes.append(box)
            arrows.append(Arrow("users", box.id, "", Look.REQUESTS))
            arrows += [
                Arrow(box.id, self._gateway_id(region, place), "", Look.REQUESTS)
                for region in self._topology.regions
                for place, gateway in enumerate(region.cluster.gateways, 1)
                if (region.key, gateway.name) in entry.reaches
            ]
        return boxes, arrows

    def _region(self, region: Region) -> Frame:
        id_, cluster = self._ids[region.key], region.cluster
        boxes = [Box(f"{id_}_control", tuple(self._control_lines(region)), Look.CONTROL)]
        boxes += [
            Box(f"{id_}_nodes{place}", tuple(self._pool_lines(pool)), Look.NODES)
            for place, pool in enumerate(cluster.pools, 1)
        ]
        boxes += [
            Box(self._gateway_id(region, place), tuple(_gateway_lines(gateway, cluster)), Look.GATEWAY)
            for place, gateway in enumerate(cluster.gateways, 1)
        ]
        boxes += [
            Box(
                self._service_id(region, place),
                tuple(self._service_lines(region, service)),
                Look.SERVICE if service.answers else Look.ABSENT,
            )
            for place, service in enumerate(cluster.services, 1)
        ]
        if cluster.clients:
            boxes.append(Box(f"{id_}_clients", ("clients in the mesh", *cluster.clients), Look.SERVICE))
        retired = "" if cluster.member else ", retired: not in the mesh"
        return Frame(
            id_,
            f"{region.key}: {region.location}{retired}",
            boxes=(Box(f"{id_}_subnet", tuple(_subnet_lines(region.subnet)), Look.NETWORK),),
            frames=(Frame(f"{id_}_cluster", f"cluster {cluster.name}", boxes=tuple(boxes), faded=not cluster.member),),
            faded=not cluster.member,
        )

    def _gateway_id(self, region: Region, place: int) -> str:
        return f"{self._ids[region.key]}_gateway{place}"

    def _service_id(self, region: Region, place: int) -> str:
        return f"{self._ids[region.key]}_service{place}"

    def _control_lines(self, region: Region) -> Iterator[str]:
        cluster = region.cluster
        yield f"control plane {cluster.control_plane}"
        yield f"{cluster.endpoint} endpoint, channel {cluster.channel}"
        for name, range_ in cluster.authorized:
            yield f"authorized: {f'{name} {range_}'.strip()}"
        if not cluster.authorized:
            yield "authorized: nobody outside"
        if cluster.config:
            yield "config cluster"
        if cluster.mesh:
            yield cluster.mesh
        seen = [key for key in self._ids if (region.key, key) in self._topology.trust]
        by_secrets = self._topology.by_secrets
        if seen:
            yield from folded(f"{'remote secrets for' if by_secrets else 'connected to'} {', '.join(seen)}", WIDEST)
        elif cluster.member and sum(one.cluster.member for one in self._topology.regions) > 1:
            yield "no remote secrets" if by_secrets else "not connected"

    def _pool_lines(self, pool: Pool) -> Iterator[str]:
        yield f"nodes {pool.name}"
        yield f"{pool.machine}, {_from_to(pool.least, pool.most)} a zone"
        if pool.zones:
            yield ", ".join(pool.zones)
        rules = [
            number
            for number, rule in self._rules.items()
            if not rule.outgoing and (not rule.targets or set(rule.targets) & set(pool.tags))
        ]
        if rules:
            yield f"rules {', '.join(rules)}"

    def _service_lines(self, region: Region, service: Service) -> Iterator[str]:
        yield f"{service.address}:{', '.join(map(str, service.ports))}"
        for deployed in service.deployed:
            yield f"{deployed.version or 'no version'}, {_count(deployed.pods, 'pod')}"
        others = [
            f"{key} {deployed.version}".strip()
            for key, deployed in self._topology.elsewhere(region.key, service.address)
        ]
        known = ", ".join(others)
        if not service.answers:
            text = f"not here: answered by {known}" if others else "nobody answers"
        elif not others:
            text = "no other region answers"
        else:
            text = f"when it fails: {known}" if service.failover else f"shares requests with {known}"
        yield from folded(text, WIDEST)

    def _routes(self) -> Iterator[Arrow]:
        for region in self._topology.regions:
            for place, gateway in enumerate(region.cluster.gateways, 1):
                for other, service in enumerate(region.cluster.services, 1):
                    if paths := [path for path, address in gateway.routes if address == service.address]:
                        yield Arrow(
                            self._gateway_id(region, place),
                            self._service_id(region, other),
                            ", ".join(paths),
                            Look.REQUESTS,
                        )

    def _admitted(self) -> Iterator[Arrow]:
        """Yield what rules let pass between two boxes: from control planes to nodes."""
        for number, rule in self._rules.items():
            for region in self._topology.regions:
                if rule.outgoing or region.cluster.control_plane not in rule.ends:
                    continue
                for other in self._topology.regions:
                    for place, pool in enumerate(other.cluster.pools, 1):
                        if set(rule.targets) & set(pool.tags):
                            traffic = f"{'' if rule.action == 'allows' else 'not '}{', '.join(rule.traffic)}"
                            yield Arrow(
                                f"{self._ids[region.key]}_control",
                                f"{self._ids[other.key]}_nodes{place}",
                                f"{number}: {traffic}",
                                Look.ADMITTED,
                            )

    def _trust(self) -> Iterator[Arrow]:
        """Yield an arrow for each two clusters that trust each other, or of which one trusts the other."""
        one_way, both_ways = (
            ("watches", "watch each other") if self._topology.by_secrets else ("sees", "see each other")
        )
        places = list(self._ids)
        for holder, remote in sorted(self._topology.trust, key=lambda pair: [places.index(key) for key in pair]):
            mutual = (remote, holder) in self._topology.trust
            if mutual and places.index(holder) > places.index(remote):
                continue
            yield Arrow(
                f"{self._ids[holder]}_control",
                f"{self._ids[remote]}_control",
                both_ways if mutual else one_way,
                Look.TRUST,
                both=mutual,
            )

    def _order(self, entry: Box) -> Iterator[Arrow]:
        """Yield what makes a region a column: entry, gateways, services, control plane, nodes, subnet."""
        for region in self._topology.regions:
            id_, cluster = self._ids[region.key], region.cluster
            gateways = [self._gateway_id(region, place) for place, _ in enumerate(cluster.gateways, 1)]
            services = [self._service_id(region, place) for place, _ in enumerate(cluster.services, 1)]
            services += [f"{id_}_clients"] if cluster.clients else []
            nodes = [f"{id_}_nodes{place}" for place, _ in enumerate(cluster.pools, 1)]
            rows = [[entry.id], gateways, services, [f"{id_}_control"], nodes, [f"{id_}_subnet"]]
            for above, below in pairwise(row for row in rows if row):
                yield from (Arrow(one, other, "", Look.HIDDEN) for one in above for other in below)

    def _legend(self) -> Legend:
        entry = ", and Multi Cluster Ingress for its load balancer" if self._topology.entries else ""
        return Legend(
            title=f"Firewall rules of {self._topology.vpc}",
            columns=("", "rule", "what", "from", "to", "why"),
            rows=tuple((number, *self._in_words(rule)) for number, rule in self._rules.items()),
            note=f"Besides these, GKE makes rules for each cluster{entry}.",
        )

    def _in_words(self, rule: Rule) -> tuple[str, str, str, str, str]:
        ends, targets = self._ends(rule.ends) or "anywhere", self._targets(rule.targets) or "all in the VPC"
        what = f"{rule.action} {', '.join(rule.traffic)}"
        return (
            rule.name,
            what,
            *((targets, ends) if rule.outgoing else (ends, targets)),
            rule.why or "(it doesn't say)",
        )

    def _ends(self, ends: Sequence[str]) -> str:
        """Say whose ranges these are; a range that is nobody's stands as it is."""
        known: dict[str, tuple[str, str]] = {}
        for region in self._topology.regions:
            known[region.subnet.pods] = ("pods", region.key)
            known[region.subnet.services] = ("services", region.key)
            known[region.subnet.nodes] = ("nodes", region.key)
            known[region.cluster.control_plane] = ("control plane", region.key)
        found: dict[str, list[str]] = {}
        for end in ends:
            kind, key = known.get(end, ("", end))
            found.setdefault(kind, []).append(key)
        return self._whose(found)

    def _targets(self, tags: Sequence[str]) -> str:
        found: dict[str, list[str]] = {}
        for tag in tags:
            found.setdefault("nodes" if tag in self._tags else "", []).append(self._tags.get(tag, tag))
        return self._whose(found)

    def _whose(self, found: dict[str, list[str]]) -> str:
        places = list(self._ids)
        return ", ".join(
            f"{kind} of {', '.join(sorted(keys, key=places.index))}" if kind else ", ".join(keys)
            for kind, keys in found.items()
        )


def _entry_lines(entry: Entry) -> Iterator[str]:
    yield f"Multi Cluster Ingress {entry.name}"
    yield f"address {entry.address}" if entry.address else "an address that may change"
    yield from (f"https://{domain}" for domain in entry.domains)
    if not entry.domains:
        yield "plain HTTP: anybody on the way can read it"
    elif not entry.redirects:
        yield "plain HTTP too, without a redirect"
    if entry.guard:
        yield f"Cloud Armor policy {entry.guard}"
    if entry.service:
        yield f"port {entry.port} of MultiClusterService {entry.service}"
    else:
        yield "its MultiClusterService is missing"
    if entry.health:
        yield f"asks for {entry.health}"
    yield f"objects in the cluster of {entry.held_by}"


def _subnet_lines(subnet: Subnet) -> Iterator[str]:
    yield f"subnet {subnet.name}"
    for what, range_ in (("nodes", subnet.nodes), ("pods", subnet.pods), ("services", subnet.services)):
        if range_:
            yield f"{what} {range_}"
    yield f"out by {subnet.nat} on {subnet.router}" if subnet.nat else "no way out"


def _gateway_lines(gateway: Gateway, cluster: Cluster) -> Iterator[str]:
    yield f"gateway {gateway.name}"
    yield f"{_from_to(gateway.least, gateway.most)} pods"
    here = {service.address for service in cluster.services}
    for path, address in gateway.routes:
        if address not in here:
            yield f"{path} to {address}, which is not here"


def folded(text: str, widest: int) -> list[str]:
    """Break a text into lines of so many characters, between words."""
    return textwrap.wrap(text, widest, break_long_words=False, break_on_hyphens=False)


def _from_to(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
