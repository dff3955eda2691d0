"""What has to hold before a region is drained, beside ready pods in other regions: callers know their endpoints."""

from collections.abc import Iterator

from cli.drain.emptiness import named
from cli.drain.live import LiveRegion
from cli.drain.proxy_traffic import PodTraffic, Reading, hosts_of
from cli.errors import MeshError
from cli.report.findings import Finding, ok
from cli.sources.addresses import is_in
from config import Environment
from config.plural import counted


def check_callers(environment: Environment, live: LiveRegion, reading: Reading) -> Iterator[Finding]:
    """Yield that callers of services in a region know endpoints of them in other regions, too.

    They do not where endpoint discovery between clusters fails: the Services of other regions have ready endpoints,
    and their callers would have none.

    Args:
        environment: The environment, in which the region may be drained already.
        live: The region that is to be drained.
        reading: Of all proxies. Those that can't be read are left out, and so is a control plane that does not give
            its endpoints the names of services.

    Raises:
        MeshError: A proxy knows endpoints of a service in this region alone.
    """
    services, pods = environment.all_services(), live.region.ranges.pods
    served = {name for name, one in services.items() if live.ready_endpoints(one.namespace, name)}
    hosts = {host: name for host, name in hosts_of(environment).items() if name in served}
    lost: dict[str, list[PodTraffic]] = {}
    callers = 0
    for pod in reading.read():
        known = [one for one in pod.endpoints if one.outbound and one.host in hosts]
        here = {one.host for one in known if one.healthy and is_in(one.address, pods)}
        elsewhere = {one.host for one in known if not is_in(one.address, pods)}  # ejected or not
        callers += bool(here)
        for host in here - elsewhere:
            lost.setdefault(hosts[host], []).append(pod)
    if lost:
        texts = (f"{name} ({named(f'{one.name} in {one.region}' for one in of)})" for name, of in sorted(lost.items()))
        first = min(lost)
        raise MeshError(
            f"nothing was changed, as callers know no endpoint outside {live.key} of {', '.join(texts)}",
            f"mesh explain {first} --from {lost[first][0].region}",
        )
    if callers:
        yield ok("callers", f"{counted(callers, 'proxy', 'proxies')} with endpoints in {live.key} know others, too")
