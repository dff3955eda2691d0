"""The network of a lab: a namespace for each region and each pod, without a route to the outside.

::

    the lab's own namespace ── hub link ── region ── pod link ── pod
                                             │
                                        region link, with the delay between regions
                                             │
                                           region …

The lab reaches every region over the hub link, also one that is cut off from the
others. The hub forwards nothing: traffic between two regions goes over their own link
only.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations, count
from pathlib import Path
from typing import TYPE_CHECKING

from tests.local_mesh.namespace import Namespace

if TYPE_CHECKING:
    from pyroute2 import IPRoute

LINKS = IPv4Network("198.18.0.0/15")
"""Range of the lab's own links: for tests of network equipment (RFC 2544), so that no environment uses it."""

POD_GATEWAY = IPv4Address("169.254.1.1")
"""Every pod's router, an address of the region's namespace; link-local, so that it is in no pod range."""

FRONT_END = IPv4Address("35.191.0.1")
"""Source of the lab's own requests: in the ranges of Google's load balancer, which gateways accept."""

REGIONAL_FRONT_END = IPv4Address("130.211.0.1")
"""Source of requests from the fake load balancer in each region."""

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

ONE_WAY_DELAY_MICROSECONDS = 4_000
"""Between any two regions: half of the round trip between Tokyo and Osaka (8 ms)."""


@dataclass(frozen=True)
class RegionAddresses:
    """The addresses of a region's namespace.

    Attributes:
        key: of the region.
        pods: range of its pods.
        control_plane: range of its control plane; the API server has the second
            address, as on GKE, and the mesh's control plane the third.
        public: another address of the API server, if it has one.
    """

    key: str
    pods: IPv4Network
    control_plane: IPv4Network
    public: IPv4Address | None = None

    @property
    def api_server(self) -> IPv4Address:
        return self.control_plane[2]

    @property
    def istiod(self) -> IPv4Address:
        return self.control_plane[3]

    @property
    def own(self) -> list[IPv4Address]:
        """The addresses of programs in the region's namespace."""
        return [self.api_server, self.istiod, *([] if self.public is None else [self.public])]

    @property
    def routes(self) -> list[str]:
        """Networks that other regions reach there."""
        return [str(self.pods), str(self.control_plane), *([] if self.public is None else [f"{self.public}/32"])]


class LabNetwork:
    """Regions with links between them, and their pods.

    Attributes:
        delayed: whether the links between regions have a delay; not every kernel has netem.
    """

    def __init__(self, regions: Sequence[RegionAddresses], folder: Path) -> None:
        """Prepare it; nothing is created.

        Args:
            regions: their addresses.
            folder: for the namespaces' files, on a private file system.
        """
        self.delayed = False
        self._regions = {region.key: region for region in regions}
        self._order = [region.key for region in regions]
        self._folder = folder
        self._links = count(1)
        self._pod_links: dict[IPv4Address, str] = {}
        self._lock = threading.Lock()
        self._netlink: dict[str, IPRoute] = {}

    def build(self) -> None:
        """Create the regions' namespaces and the links."""
        FORWARDING.write_text("0", encoding="ascii")  # a new namespace may inherit the machine's setting
        hub = self._netlink[""] = _open()
        hub.addr("add", index=_up(hub, "lo"), address=str(FRONT_END), prefixlen=32)
        for number, key in enumerate(self._order):
            self.region(key).create()
            netlink = self._netlink[key] = _open(self.region(key))
            self._set_addresses(netlink, self._regions[key])
            self._hub_link(hub, netlink, number)
        for number, (one, other) in enumerate(combinations(self._order, 2)):
            self._region_link(one, other, number)

    def hub(self, key: str) -> IPv4Address:
        """Return the lab's own address on the link to a region."""
        return _pair(self._order.index(key))[0]

    def region(self, key: str) -> Namespace:
        return Namespace(self._folder / "regions" / key)

    def pod(self, name: str) -> Namespace:
        return Namespace(self._folder / "pods" / name)

    def add_pod(self, region: str, name: str, address: IPv4Address) -> Namespace:
        """Create a pod's namespace, which every region reaches at its address."""
        namespace = self.pod(name)
        namespace.create()
        with self._lock:
            link = f"pod{next(self._links)}"
            self._pod_links[address] = link
            router = self._netlink[region]
            with _open(namespace) as netlink:
                router.link("add", ifname=link, kind="veth", peer={"ifname": "eth0", "net_ns_fd": str(namespace.path)})
                index = _up(router, link)
                router.route("add", dst=f"{address}/32", oif=index)
                _up(netlink, "lo")
                inside = _up(netlink, "eth0", address)
                netlink.route("add", dst=f"{POD_GATEWAY}/32", oif=inside, scope="link")
                netlink.route("add", dst="0.0.0.0/0", gateway=str(POD_GATEWAY))
        return namespace

    def add_host_pod(self, region: str, name: str) -> Namespace:
        """Let a pod have the network of its region, as a pod with ``hostNetwork`` has that of its node."""
        namespace = self.pod(name)
        namespace.path.parent.mkdir(parents=True, exist_ok=True)
        namespace.path.symlink_to(self.region(region).path)
        return namespace

    def remove_pod(self, region: str, name: str, address: IPv4Address) -> None:
        if self.pod(name).path.is_symlink():
            self.pod(name).path.unlink()
            return
        with self._lock:
            router = self._netlink[region]
            router.link("del", index=_index(router, self._pod_links.pop(address)))
        self.pod(name).remove()

    def add_address(self, key: str, address: IPv4Address) -> None:
        """Add an address to a region's namespace, without routes from other regions."""
        netlink = self._netlink[key]
        netlink.addr("add", index=_index(netlink, "lo"), address=str(address), prefixlen=32)

    def cut_off(self, key: str) -> None:
        """Take down the links between a region and all others."""
        self._set_links(key, "down")

    def reconnect(self, key: str) -> None:
        self._set_links(key, "up")
        # A link loses its routes when it goes down.
        for other in self._order:
            if other != key:
                self._route(key, other)

    def block(self, key: str, address: IPv4Address) -> None:
        """Drop a region's packets to an address, as if it could not be reached."""
        self._netlink[key].route("add", dst=f"{address}/32", type="blackhole")

    def unblock(self, key: str, address: IPv4Address) -> None:
        self._netlink[key].route("del", dst=f"{address}/32", type="blackhole")

    def add_front_end(self, address: IPv4Address) -> None:
        """Add an address of the lab's own, for requests that come from a load balancer."""
        hub = self._netlink[""]
        hub.addr("add", index=_index(hub, "lo"), address=str(address), prefixlen=32)

    def take_down(self, key: str) -> None:
        """Take down the link between the lab itself and a region; other regions still reach it."""
        netlink = self._netlink[key]
        netlink.link("set", index=_index(netlink, "hub"), state="down")

    def bring_up(self, key: str) -> None:
        netlink = self._netlink[key]
        index = _index(netlink, "hub")
        netlink.link("set", index=index, state="up")
        # The link lost its route.
        netlink.route("add", dst="0.0.0.0/0", gateway=str(self.hub(key)), oif=index)

    def _set_addresses(self, netlink: "IPRoute", region: RegionAddresses) -> None:
        loopback = _up(netlink, "lo")
        for address in (*region.own, POD_GATEWAY):
            netlink.addr("add", index=loopback, address=str(address), prefixlen=32)
        self.region(region.key).run(lambda: FORWARDING.write_text("1", encoding="ascii"))

    def _hub_link(self, hub: "IPRoute", netlink: "IPRoute", number: int) -> None:
        region = self._regions[self._order[number]]
        here, there = _pair(number)
        link = f"region{number}"
        hub.link(
            "add", ifname=link, kind="veth", peer={"ifname": "hub", "net_ns_fd": str(self.region(region.key).path)}
        )
        _up(hub, link, here, 31)
        index = _up(netlink, "hub", there, 31)
        # kube-apiserver finds its own address by the default route.
        netlink.route("add", dst="0.0.0.0/0", gateway=str(here), oif=index)
        for network in region.routes:
            hub.route("add", dst=network, gateway=str(there), prefsrc=str(FRONT_END))

    def _region_link(self, one: str, other: str, number: int) -> None:
        addresses = _pair(256 + number)
        here, there = self._netlink[one], self._netlink[other]
        here.link(
            "add",
            ifname=self._link(other),
            kind="veth",
            peer={"ifname": self._link(one), "net_ns_fd": str(self.region(other).path)},
        )
        for netlink, name, address in ((here, other, addresses[0]), (there, one, addresses[1])):
            index = _up(netlink, self._link(name), address, 31)
            self.delayed = _delay(netlink, index)
        self._route(one, other)
        self._route(other, one)

    def _route(self, here: str, there: str) -> None:
        """Route traffic from one region to another over the link between the two."""
        netlink = self._netlink[here]
        index = _index(netlink, self._link(there))
        number = list(combinations(self._order, 2)).index(self._in_order(here, there))
        first, second = _pair(256 + number)
        gateway = second if self._in_order(here, there)[0] == here else first
        for network in self._regions[there].routes:
            netlink.route("replace", dst=network, gateway=str(gateway), oif=index)

    def _in_order(self, one: str, other: str) -> tuple[str, str]:
        return (one, other) if self._order.index(one) < self._order.index(other) else (other, one)

    def _link(self, to: str) -> str:
        """Return the name of a region's end of a link; the other region's key may be too long."""
        return f"region{self._order.index(to)}"

    def _set_links(self, key: str, state: str) -> None:
        netlink = self._netlink[key]
        for other in self._order:
            if other != key:
                netlink.link("set", index=_index(netlink, self._link(other)), state=state)


def _pair(number: int) -> tuple[IPv4Address, IPv4Address]:
    return LINKS[2 * number], LINKS[2 * number + 1]


def _open(namespace: Namespace | None = None) -> "IPRoute":
    """Return a netlink socket of a namespace, or of the current one."""
    # Not at the top: tests that only read addresses do not need it.
    from pyroute2 import IPRoute  # noqa: PLC0415

    return IPRoute() if namespace is None else IPRoute(netns=str(namespace.path))


def _delay(netlink: "IPRoute", index: int) -> bool:
    """Delay a link's outgoing traffic, and return whether the kernel supports it."""
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    try:
        netlink.tc("add", "netem", index=index, handle="1:", delay=ONE_WAY_DELAY_MICROSECONDS)
    except NetlinkError:
        return False
    return True


def _index(netlink: "IPRoute", name: str) -> int:
    index: int = netlink.link_lookup(ifname=name)[0]
    return index


def _up(netlink: "IPRoute", name: str, address: IPv4Address | None = None, prefix: int = 32) -> int:
    index = _index(netlink, name)
    if address is not None:
        netlink.addr("add", index=index, address=str(address), prefixlen=prefix)
    netlink.link("set", index=index, state="up")
    return index
