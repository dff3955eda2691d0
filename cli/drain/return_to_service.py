"""Waits until every proxy knows endpoints of a region that serves again."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from cli.drain.emptiness import named, unlisted_findings, unread_finding
from cli.drain.proxy_traffic import PodTraffic, Reading, endpoints_in, hosts_of
from cli.report.findings import Finding, failure, ok, warning
from config import Environment, ResolvedRegion
from config.plural import counted


@dataclass
class RegionReturn:
    """Which proxies know a region's endpoints, by the last reading.

    Attributes:
        region: The region.
        hosts: By host, the services that have ready pods there.
        missing: By service, the pods whose proxies know the service, and no healthy endpoint of it in the region.
        read: The number of proxies that could be read.
        unread: Why proxies can't be read, by pod.
        unlisted: Why the pods of a region can't be listed, by its key.
    """

    region: ResolvedRegion
    hosts: Mapping[str, str]
    missing: dict[str, list[PodTraffic]] = field(default_factory=dict)
    read: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    unlisted: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Environment, region: ResolvedRegion, ready: Collection[str]) -> "RegionReturn":
        """Expect nothing yet.

        Args:
            environment: The environment.
            region: The region.
            ready: Names of the services that have ready pods there.
        """
        return cls(region, {host: name for host, name in hosts_of(environment).items() if name in ready})

    def add(self, reading: Reading) -> None:
        pods = reading.read()
        self.read, self.unlisted = len(pods), reading.unlisted
        self.unread = {f"{one.name} in {one.region}": one.problem for one in reading.pods.values() if one.problem}
        self.missing = {}
        for pod in pods:
            known = {one.host for one in pod.endpoints if one.outbound} & self.hosts.keys()
            back = {one.host for one in endpoints_in(pod, self.region, self.hosts) if one.healthy}
            for host in known - back:
                self.missing.setdefault(self.hosts[host], []).append(pod)

    @property
    def complete(self) -> bool:
        return not self.missing and not self.unlisted

    def summary(self) -> str:
        """Return the state in one line."""
        if self.complete:
            return f"all {self.read} proxies know the endpoints in {self.region.key}"
        if self.unlisted:
            return f"clusters that can't be read: {', '.join(self.unlisted)}"
        counts = (f"{name} ({counted(len(pods), 'proxy', 'proxies')})" for name, pods in self.missing.items())
        return f"endpoints in {self.region.key} not known yet: {', '.join(counts)}"

    def findings(self, seconds: float) -> Iterator[Finding]:
        """Yield which services' endpoints are back.

        Args:
            seconds: For how long it was waited.
        """
        key = self.region.key
        yield from unlisted_findings(self.unlisted, seconds)
        if self.unread:
            yield unread_finding(self.unread, key)
        if not self.read:
            yield warning("endpoints", "unknown, as no proxy could be read", "mesh status")
            return
        for name in self.hosts.values():
            if pods := self.missing.get(name):
                names = named(f"{one.name} in {one.region}" for one in pods)
                text = f"after {seconds:.0f} s no healthy endpoint in {key} is known to {names}"
                yield failure(f"endpoints of {name}", text, f"mesh explain {name} --from {pods[0].region}")
            else:
                yield ok(f"endpoints of {name}", "known to every proxy that knows the service")
