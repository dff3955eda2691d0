"""When a region is empty: what its proxies count, one reading after the other."""

import pytest

from cli.drain.emptiness import QUIET_SECONDS, RegionTraffic
from cli.drain.proxy_traffic import PodTraffic, Reading
from cli.sources.proxies import ProxyEndpoint
from tests.synthesized import minimal_environment

ENVIRONMENT = minimal_environment(tokyo=0, osaka=8)
REGION = next(one for one in ENVIRONMENT.resolved_regions() if one.key == "osaka")
HERE, THERE = "10.32.0.5", "10.0.0.5"
SERVICE = "outbound|80||shop.apps.svc.cluster.local"


def endpoint(cluster: str, address: str, started: int = 0, active: int = 0) -> ProxyEndpoint:
    return ProxyEndpoint(cluster, address, 80, "", "", True, False, 0, 0, 0, started=started, active=active)


def pod(region: str, *endpoints: ProxyEndpoint, namespace: str = "apps", name: str = "shop-1") -> PodTraffic:
    return PodTraffic(region, namespace, name, endpoints)


def traffic(*readings: tuple[PodTraffic, ...]) -> RegionTraffic:
    """Return what readings say that are two seconds apart."""
    found = RegionTraffic(REGION, {"shop.apps.svc.cluster.local": "shop"})
    for number, pods in enumerate(readings):
        found.add(Reading(2.0 * number, {(one.region, one.name): one for one in pods}))
    return found


def test_requests_of_a_service_are_counted_where_they_are_passed_on() -> None:
    first, second = (
        pod("osaka", endpoint("inbound|80||", HERE, count), endpoint(SERVICE, THERE, 9 * count)) for count in (3, 7)
    )
    assert traffic((first,), (second,)).rates == {"apps/shop-1": 2.0}


def test_requests_of_a_gateway_are_counted_where_they_go() -> None:
    first, second = (
        pod(
            "osaka",
            endpoint("inbound|15021||", HERE, 9 * count),
            endpoint(SERVICE, THERE, count),
            namespace="istio-gateway",
        )
        for count in (3, 7)
    )
    found = traffic((first,), (second,))
    assert found.rates == {"istio-gateway/shop-1": 2.0}
    assert "gateways 2.0, services 0.0" in found.summary()


def test_the_requests_of_other_regions_are_theirs() -> None:
    first, second = (pod("tokyo", endpoint("inbound|80||", THERE, count, active=count)) for count in (3, 7))
    found = traffic((first,), (second,))
    assert not found.rates
    assert not found.active()


@pytest.mark.parametrize(("before", "after", "new"), [(5, 5, 0), (5, 2, 2), (None, 4, 4), (4, None, 0)])
def test_an_endpoint_that_was_away_counts_from_0(before: int | None, after: int | None, new: int) -> None:
    """Envoy drops an endpoint of an inbound cluster that nobody uses for some seconds."""
    readings = [
        pod("osaka", *([] if count is None else [endpoint("inbound|80||", HERE, count)])) for count in (before, after)
    ]
    assert readings[1].started_since(readings[0]) == new


def test_the_counters_of_a_pod_that_is_new_are_not_of_this_reading() -> None:
    old, new = (pod("osaka", endpoint("inbound|80||", HERE, 50), name=name) for name in ("shop-1", "shop-2"))
    assert not traffic((old,), (old, new)).rates


def test_a_quiet_region_is_empty_after_some_time() -> None:
    quiet = (pod("osaka", endpoint("inbound|80||", HERE, 50)), pod("tokyo", endpoint(SERVICE, THERE)))
    number = int(QUIET_SECONDS / 2)
    assert not traffic(*[quiet] * number).complete
    assert traffic(*[quiet] * (number + 1)).complete


@pytest.mark.parametrize(
    "busy",
    [
        (pod("osaka", endpoint("inbound|80||", HERE, 51)),),
        (pod("osaka", endpoint("inbound|80||", HERE, 50, active=1)),),
        (pod("osaka", endpoint("inbound|80||", HERE, 50)), pod("tokyo", endpoint(SERVICE, HERE), name="client")),
    ],
    ids=["a new request", "a request that has not ended", "a proxy that knows an endpoint"],
)
def test_the_time_begins_again(busy: tuple[PodTraffic, ...]) -> None:
    quiet = (pod("osaka", endpoint("inbound|80||", HERE, busy[0].endpoints[0].started)),)
    before = (pod("osaka", endpoint("inbound|80||", HERE, 50)),)
    number = int(QUIET_SECONDS / 2)
    assert not traffic(*[before] * number, busy, *[quiet] * (number - 1)).complete
    assert traffic(*[before] * number, busy, *[quiet] * (number + 1)).complete


def test_whose_endpoints_are_the_region_s() -> None:
    """A control plane may name its clusters in another way; what is no service of the environment does not count."""
    known = [SERVICE, "cloud-internal-istio:cloud_mp_1_2"]
    others = [
        "outbound|80||other.apps.svc.cluster.local",
        "inbound|80||",
        "PassthroughCluster",
        "InboundPassthroughCluster",
    ]
    for name in known + others:
        assert bool(traffic((pod("tokyo", endpoint(name, HERE)),)).knowing) == (name in known), name
    assert not traffic((pod("tokyo", endpoint(SERVICE, THERE), endpoint(SERVICE, "::1")),)).knowing


def test_a_proxy_that_can_t_be_read_says_nothing() -> None:
    unread = PodTraffic("osaka", "apps", "shop-1", problem="forbidden")
    found = traffic((unread,), (unread,))
    assert {one.name: one.state.value for one in found.findings(5)} == {"proxies": "warning", "requests": "warning"}


def test_a_reading_of_all_clusters_is_needed() -> None:
    """Requests before and after one that failed are not compared, so that nothing is known of the time between."""
    counted = [pod("osaka", endpoint("inbound|80||", HERE, count)) for count in (3, 30)]
    found = RegionTraffic(REGION, {"shop.apps.svc.cluster.local": "shop"})
    lost = Reading(2.0, unlisted={"osaka": "i/o timeout"})
    after = [Reading(2.0 * number, {("osaka", "apps/shop-1"): counted[1]}) for number in range(2, 5)]
    for reading in (Reading(0.0, {("osaka", "apps/shop-1"): counted[0]}), lost, *after):
        found.add(reading)
        assert found.quiet_since == (after[0].at if reading.at > after[0].at else None)
    found.add(Reading(10.0, unlisted={"tokyo": "i/o timeout"}))
    assert found.quiet_since is None
    assert "can't be read: tokyo" in found.summary()
