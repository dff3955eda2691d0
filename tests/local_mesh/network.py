"""The network of a lab: a namespace a region and a namespace a pod, and nothing to the outside.

::

    the lab's own namespace ── hub link ── region ── a link a pod ── pod
                                             │
                                        region link, with the delay between regions
                                             │
                                           region …

The lab reaches every region over the hub link, also one that is cut off from the
others. The hub forwards nothing: what regions send each other goes over the link
between the two, or nowhere.
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
"""Range of the lab's own links: for tests of network equipment (RFC 2544), so that no environment has it."""

POD_GATEWAY = IPv4Address("169.254.1.1")
"""Every pod's router, an address of the region's namespace; link-local, so that it takes none of a pod's range."""

FRONT_END = IPv4Address("35.191.0.1")
"""What the lab's own requests come from: of the ranges by which gateways know Google's load balancer."""

REGIONAL_FRONT_END = IPv4Address("130.211.0.1")
"""The same, of the load balancer's stand-in inside each region."""

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

ONE_WAY_DELAY_MICROSECONDS = 4_000
"""Between any two regions: about half of what Tokyo and Osaka are apart (8 ms there and back)."""


@dataclass(frozen=True)
class RegionAddresses:
    """What a region's namespace answers for.

    Attributes:
        key: the region.
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
        """The addresses that programs of the region's namespace have."""
        return [self.api_server, self.istiod, *([] if self.public is None else [self.public])]

    @property
    def reached(self) -> list[str]:
        """Networks that others find there."""
        return [str(self.pods), str(self.control_plane), *([] if self.public is None else [f"{self.public}/32"])]


class Network:
    """Regions that reach each other, and pods in them.

    Attributes:
        delayed: the links between regions have a delay; not every kernel has netem.
    """

    def __init__(self, regions: Sequence[RegionAddresses], folder: Path) -> None:
        """
        Args:
            folder: for the namespaces' files, on a file system of the lab's own.
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
        """Make the regions' namespaces and link them."""
        FORWARDING.write_text("0", encoding="ascii")  # a new namespace may have the machine's setting
        hub = self._netlink[""] = _open()
        hub.addr("add", index=_up(hub, "lo"), address=str(FRONT_END), prefixlen=32)
        for number, key in enumerate(self._order):
            self.region(key).create()
            netlink = self._netlink[key] = _open(self.region(key))
            self._region_itself(netlink, self._regions[key])
            self._hub_link(hub, netlink, number)
        for number, (one, other) in enumerate(combinations(self._order, 2)):
            self._region_link(one, other, number)

    def hub(self, key: str) -> IPv4Address:
        """Return the lab's own address, as a region reaches it."""
        return _pair(self._order.index(key))[0]

    def region(self, key: str) -> Namespace:
        return Namespace(self._folder / "regions" / key)

    def pod(self, name: str) -> Namespace:
        return Namespace(self._folder / "pods" / name)

    def add_pod(self, region: str, name: str, address: IPv4Address) -> Namespace:
        """Make a pod's namespace, reached at its address from every region."""
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

    def remove_pod(self, region: str, name: str, address: IPv4Address) -> None:
        with self._lock:
            router = self._netlink[region]
            router.link("del", index=_index(router, self._pod_links.pop(address)))
        self.pod(name).remove()

    def add_address(self, key: str, address: IPv4Address) -> None:
        """Give a region's namespace one more address; other regions don't find it there."""
        netlink = self._netlink[key]
        netlink.addr("add", index=_index(netlink, "lo"), address=str(address), prefixlen=32)

    def cut_off(self, key: str) -> None:
        """Take down the links between a region and all others; it goes on by itself."""
        self._set_links_of(key, "down")

    def reconnect(self, key: str) -> None:
        self._set_links_of(key, "up")
        # A link that goes down takes its routes along.
        for other in self._order:
            if other != key:
                self._route(key, other)

    def take_down(self, key: str) -> None:
        """Let the lab itself no longer reach a region; other regions still do."""
        netlink = self._netlink[key]
        netlink.link("set", index=_index(netlink, "hub"), state="down")

    def bring_up(self, key: str) -> None:
        netlink = self._netlink[key]
        index = _index(netlink, "hub")
        netlink.link("set", index=index, state="up")
        # The route went with the link.
        netlink.route("add", dst="0.0.0.0/0", gateway=str(self.hub(key)), oif=index)

    def _region_itself(self, netlink: "IPRoute", region: RegionAddresses) -> None:
        loopback = _up(netlink, "lo")
        for address in (*region.own, POD_GATEWAY):
            netlink.addr("add", index=loopback, address=str(address), prefixlen=32)
        self.region(region.key).run(lambda: FORWARDING.write_text("1", encoding="ascii"))

    def _hub_link(self, hub: "IPRoute", netlink: "IPRoute", number: int) -> None:
        region = self._regions[self._order[number]]
        ours, theirs = _pair(number)
        link = f"region{number}"
        hub.link(
            "add", ifname=link, kind="veth", peer={"ifname": "hub", "net_ns_fd": str(self.region(region.key).path)}
        )
        _up(hub, link, ours, 31)
        index = _up(netlink, "hub", theirs, 31)
        # kube-apiserver finds its own address by the default route.
        netlink.route("add", dst="0.0.0.0/0", gateway=str(ours), oif=index)
        for network in region.reached:
            hub.route("add", dst=network, gateway=str(theirs), prefsrc=str(FRONT_END))

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
        """Send what goes from one region to another over the link between the two."""
        netlink = self._netlink[here]
        index = _index(netlink, self._link(there))
        number = list(combinations(self._order, 2)).index(self._in_order(here, there))
        first, second = _pair(256 + number)
        gateway = second if self._in_order(here, there)[0] == here else first
        for network in self._regions[there].reached:
            netlink.route("replace", dst=network, gateway=str(gateway), oif=index)

    def _in_order(self, one: str, other: str) -> tuple[str, str]:
        return (one, other) if self._order.index(one) < self._order.index(other) else (other, one)

    def _link(self, to: str) -> str:
        """Name of a region's end of the link to another; a key may be too long for one."""
        return f"region{self._order.index(to)}"

    def _set_links_of(self, key: str, state: str) -> None:
        netlink = self._netlink[key]
        for other in self._order:
            if other != key:
                netlink.link("set", index=_index(netlink, self._link(other)), state=state)


def _pair(number: int) -> tuple[IPv4Address, IPv4Address]:
    return LINKS[2 * number], LINKS[2 * number + 1]


def _open(namespace: Namespace | None = None) -> "IPRoute":
    """Return what talks to the kernel of a namespace, or of our own."""
    # Not above: whoever only reads what a run has printed need not have it.
    from pyroute2 import IPRoute  # noqa: PLC0415

    return IPRoute() if namespace is None else IPRoute(netns=str(namespace.path))


def _delay(netlink: "IPRoute", index: int) -> bool:
    """Delay what leaves by a link, and return whether the kernel can do that."""
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
