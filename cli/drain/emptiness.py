"""Waits until no request goes to a region any more."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cli.drain.proxy_traffic import PodTraffic, Reading, endpoints_in, hosts_of
from cli.report.findings import Finding, failure, ok, warning
from config import Environment, ResolvedRegion
from config.plural import counted

QUIET_SECONDS = 10.0
"""For which nothing may reach the region before it counts as empty."""

MOST_NAMED = 5
"""Pods that a message names."""


@dataclass
class RegionTraffic:
    """What still reaches a region, by one reading after the other.

    Attributes:
        region: The region.
        hosts: The environment's services by host.
        reading: The last one.
        knowing: Pods, of all regions, whose proxies know endpoints in the region.
        rates: Requests per second that each pod of the region gets.
        quiet_since: Since when nothing is known to reach the region; None if something does.
        unread: Why proxies can't be read, by pod.
    """

    region: ResolvedRegion
    hosts: Mapping[str, str]
    reading: Reading | None = None
    knowing: list[PodTraffic] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    quiet_since: float | None = None
    unread: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Environment, region: ResolvedRegion) -> "RegionTraffic":
        return cls(region, hosts_of(environment))

    def add(self, reading: Reading) -> None:
        """Compare a reading with the one before."""
        before, self.reading = self.reading, reading
        self.unread = {f"{one.name} in {one.region}": one.problem for one in reading.pods.values() if one.problem}
        self.knowing = [one for one in reading.read() if any(endpoints_in(one, self.region, self.hosts))]
        self.rates = {}
        if before is not None:
            seconds = reading.at - before.at
            for one in self.pods():
                earlier = before.pods.get((one.region, one.name))
                if earlier is not None and not earlier.problem and (risen := one.started_since(earlier)):
                    self.rates[one.name] = risen / seconds
        busy = self.knowing or self.rates or self.active()
        if before is None or before.unlisted or reading.unlisted or busy:
            self.quiet_since = None
        elif self.quiet_since is None:
            self.quiet_since = before.at

    def pods(self) -> list[PodTraffic]:
        """Return the region's own pods, as far as they can be read."""
        found = [] if self.reading is None else self.reading.read()
        return [one for one in found if one.region == self.region.key]

    def active(self) -> dict[str, int]:
        """Return the number of requests that have not ended, by pod."""
        return {one.name: one.active for one in self.pods() if one.active}

    @property
    def complete(self) -> bool:
        """Whether nothing has reached the region for long enough."""
        at = None if self.reading is None else self.reading.at
        return at is not None and self.quiet_since is not None and at - self.quiet_since >= QUIET_SECONDS

    def summary(self) -> str:
        """Return the state in one line."""
        gateways = {one.name for one in self.pods() if one.is_gateway}
        to_gateways = sum(rate for name, rate in self.rates.items() if name in gateways)
        to_services = sum(self.rates.values()) - to_gateways
        knowing = counted(len(self.knowing), "proxy knows", "proxies know") if self.knowing else "no proxy knows"
        unlisted = self.reading.unlisted if self.reading is not None else ()
        return (
            f"{knowing} endpoints in {self.region.key}; new requests per second: gateways {to_gateways:.1f}, services "
            f"{to_services:.1f}; active: {sum(self.active().values())}"
            + (f"; can't be read: {', '.join(unlisted)}" if unlisted else "")
        )

    def findings(self, seconds: float) -> Iterator[Finding]:
        """Yield what still reaches the region, and what does not.

        Args:
            seconds: For how long it was waited.
        """
        assert self.reading is not None
        again, where = f"mesh drain {self.region.key}", self.region.key
        read = len(self.reading.read())
        yield from unlisted_findings(self.reading.unlisted, seconds)
        if self.unread:
            yield unread_finding(self.unread, where)
        if self.knowing:
            names = named(f"{one.name} in {one.region}" for one in self.knowing)
            yield failure("endpoints", f"after {seconds:.0f} s still known to {names}", "mesh status")
        elif read:
            yield ok("endpoints", f"none of {counted(read, 'proxy', 'proxies')} knows one in {where}")
        pods = len(self.pods())
        if not pods:
            yield warning("requests", f"unknown, as no proxy in {where} could be read", f"mesh status --region {where}")
            return
        if self.rates:
            names = named(f"{name} ({rate:.1f} per second)" for name, rate in self.rates.items())
            yield failure("new requests", f"after {seconds:.0f} s still to {names}", again)
        elif self.complete or self.knowing or self.active():
            yield ok("new requests", f"none to {counted(pods, 'pod')}")
        else:
            yield failure("new requests", f"none, but not yet for {QUIET_SECONDS:.0f} s", again)
        if active := self.active():
            names = named(f"{name} ({count})" for name, count in active.items())
            text = f"requests or TCP connections that have not ended after {seconds:.0f} s: {names}"
            yield failure("active requests", text, f"wait for their end, or end their clients, and run: {again}")
        else:
            yield ok("active requests", "none")


def unlisted_findings(unlisted: Mapping[str, str], seconds: float) -> Iterator[Finding]:
    """Yield the failures about regions whose pods can't be listed.

    Args:
        unlisted: Why not, by the region's key.
        seconds: For how long it was waited.
    """
    for key, problem in unlisted.items():
        text = f"after {seconds:.0f} s its pods can't be listed: {problem}"
        yield failure(f"cluster of {key}", text, f"mesh status --region {key}")


def unread_finding(unread: Mapping[str, str], region: str) -> Finding:
    """Return the warning about proxies that can't be read.

    Args:
        unread: Why not, by pod.
        region: Key of the region that the command is about.
    """
    text = f"{counted(len(unread), 'proxy', 'proxies')} can't be read: {named(unread)}: {next(iter(unread.values()))}"
    return warning("proxies", text, f"mesh status --region {region}")


def named(names: Iterable[str]) -> str:
    """Return names in one line: the first ones, and how many more there are."""
    found = list(names)
    more = len(found) - MOST_NAMED
    return ", ".join(found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
