"""Which region responded, by the counters of the client's own proxy.

Envoy counts, for each endpoint, the responses that are no errors (``rq_success``). Between two readings of the
counters, as many responses came from a region as the counters of its endpoints have risen. No policy, log or
application is involved: https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address

from cli.traffic.response import Response
from config import Environment

FindRegion = Callable[[str, str], str]
"""Returns the region's key of an endpoint by its address and locality; empty if it can't be told."""


def region_finder(environment: Environment) -> FindRegion:
    """Return a function that returns an endpoint's region: by its locality, and by the range of its region's pods.

    Two regions of the configuration may have one locality, and another mesh's pods no range. Where both say
    something, they have to agree.
    """
    regions = [region for region in environment.resolved_regions() if not region.retired]

    def find(address: str, locality: str) -> str:
        try:
            pod = IPv4Address(address)
        except AddressValueError:
            return ""
        near = {region.key for region in regions if region.location == locality}
        within = {region.key for region in regions if pod in region.ranges.pods}
        found = near & within if near and within else near | within
        return found.pop() if len(found) == 1 else ""

    return find


class Attribution:
    """Finds the regions of responses, in the order in which they arrive."""

    def __init__(self, find_region: FindRegion) -> None:
        self._find_region = find_region
        self._counters: Mapping[str, int] | None = None
        self._waiting: deque[tuple[int, Response, bool]] = deque()
        self._regions: deque[str] = deque()
        self._readings = 0

    def add(self, response: Response, counted: bool) -> None:
        """Add a response that has arrived.

        Args:
            response: The response.
            counted: Whether an endpoint's counter has it, if an endpoint has sent it.
        """
        self._waiting.append((self._readings, response, counted))

    def count(self, fields: Sequence[str]) -> list[Response]:
        """Read counters, and return the responses whose regions are decided by them.

        Args:
            fields: Of each endpoint, ``ADDRESS:PORT=LOCALITY=NUMBER``.
        """
        self._readings += 1
        counters = {}
        for text in fields:
            endpoint, locality, number = text.split("=")
            counters[endpoint] = int(number)
            if self._counters is not None:
                # An endpoint that was away, or has restarted, counts from 0 again.
                before = self._counters.get(endpoint, 0)
                risen = counters[endpoint] - (before if before <= counters[endpoint] else 0)
                self._regions.extend([self._find_region(endpoint.rpartition(":")[0], locality)] * risen)
        self._counters = counters
        return self._decide(self._readings - 1)

    def end(self) -> list[Response]:
        """Return the responses that are left: no counters will say more of them."""
        return self._decide(self._readings + 1)

    def _decide(self, before: int) -> list[Response]:
        """Return what is decided: responses with a region, errors, and those that no counters have explained.

        Args:
            before: A response that arrived before this reading was counted in the present one, if at all.
        """
        decided = []
        while self._waiting:
            reading, response, counted = self._waiting[0]
            if counted and self._regions:
                region = self._regions.popleft()
                response = replace(response, region=region if response.ok else "")
            elif counted and reading >= before:
                break
            decided.append(response)
            self._waiting.popleft()
        return decided
