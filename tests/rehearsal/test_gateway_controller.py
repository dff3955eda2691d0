"""Tests of the simulated controllers of multi-cluster Services and Gateway."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fake_cloud.cloud import PROJECT_NUMBER, Cloud
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.testing import FakeControlPlanes
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.gateway_controller import FINALIZER, GATEWAYS, HEALTH_POLICIES, ROUTES, GatewayController
from tests.rehearsal.gateway_parts import CERTIFICATE_MAP, EPHEMERAL, EXTERNAL_CLASS, INTERNAL_CLASS
from tests.rehearsal.service_controller import EXPORTS, FEATURE, IMPORTS, ServiceController, derived_name
from tests.rehearsal.test_control_plane_modes import FakeCluster, wait_until

HOME = "projects/p"
NETWORK = {"name": "vpc", "selfLink": "https://c/compute/v1/projects/p/global/networks/vpc"}
EXPORTED = ("istio-gateway", "istio-ingressgateway")
MEMBERSHIP = f"{HOME}/locations/us-west1/memberships/west"


class Cluster(FakeCluster):
    """A cluster with one zone, and a Service."""

    def __init__(self, region: str) -> None:
        super().__init__()
        self.site: Any = SimpleNamespace(key=region, location=region, zones=(f"{region}-a",))
        self.deleted: list[tuple[str, str]] = []

    def get(self, *arguments: str) -> dict[str, Any]:
        ports = [{"name": "status-port", "port": 15021}, {"name": "http2", "port": 80, "targetPort": 8080}]
        return {"metadata": {"uid": f"of-{self.site.key}"}, "spec": {"ports": ports}}

    def delete(self, objects: list[dict[str, Any]]) -> None:
        self.deleted += [(one["kind"], one["metadata"]["name"]) for one in objects]


class World:
    """Two clusters and the controllers, whose delays are short."""

    def __init__(self) -> None:
        self.cloud = Cloud.create("p", "http://127.0.0.1:1", Latencies(0), FakeControlPlanes())
        self.clusters = {region: Cluster(region) for region in ("us-west1", "us-east1")}
        self.authorized = False
        self.importer_authorized = True
        parts = CloudParts(self.cloud)
        parts.compute = Compute(self.cloud)
        self.store = self.cloud.store
        self.store.add(f"{HOME}/global/networks/vpc", dict(NETWORK))
        self.store.add(f"{HOME}/global/addresses/gateway", {"address": "198.51.100.1", "status": "RESERVED"})
        self.services = ServiceController(
            parts,
            lambda: cast(Any, self.clusters),
            membership=lambda cluster: f"memberships/{cluster.site.key}",
            authorized=lambda: self.importer_authorized,
            changed=self.wake,
        )
        self.gateway = GatewayController(
            parts,
            lambda: cast(Any, self.clusters),
            self.services,
            authorized=lambda: self.authorized,
            cluster_path=lambda cluster: f"{HOME}/locations/{cluster.site.key}/clusters/one",
        )

    def wake(self) -> None:
        self.gateway.wake()

    @property
    def config(self) -> Cluster:
        return self.clusters["us-west1"]

    def names(self, collection: str) -> list[str]:
        """Return the names of all resources of a collection."""
        return sorted({one.rpartition("/")[2] for one in self.store.all() if one.split("/")[-2:-1] == [collection]})

    def export(self, region: str, **metadata: str) -> None:
        named = {"namespace": EXPORTED[0], "name": EXPORTED[1], **metadata}
        self.clusters[region].events.setdefault(EXPORTS, []).append({"type": "MODIFIED", "object": {"metadata": named}})

    def enable(self) -> None:
        self.services.feature_changed(FEATURE, {})
        spec = {"spec": {"multiclusteringress": {"configMembership": MEMBERSHIP}}}
        self.gateway.feature_changed("multiclusteringress", spec)

    def event(self, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> None:
        found = {"metadata": {"namespace": EXPORTED[0], "name": name, **metadata}, "spec": spec}
        self.config.events.setdefault(kind, []).append({"type": "MODIFIED", "object": found})

    def status(self, kind: str, name: str) -> dict[str, Any]:
        """Return the last status of an object; empty if there is none."""
        calls = [call for call in self.config.calls if "patch" in call and kind in call and name in call]
        found = [json.loads(call[-1])["status"] for call in calls if "--subresource" in call]
        return found[-1] if found else {}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for module in ("service_controller", "gateway_controller"):
        monkeypatch.setattr(f"tests.rehearsal.{module}.LINGERING", 0.2)
    found = World()
    yield found
    for cluster in found.clusters.values():
        cluster.ended.set()


GATEWAY = {
    "gatewayClassName": EXTERNAL_CLASS,
    "addresses": [{"type": "NamedAddress", "value": "gateway"}],
    "listeners": [{"name": "http", "protocol": "HTTP", "port": 80}],
}
BACKEND = {"group": "net.gke.io", "kind": "ServiceImport", "name": EXPORTED[1], "port": 80}
ROUTE = {"parentRefs": [{"name": "external"}], "rules": [{"backendRefs": [BACKEND]}]}


def test_exports_of_a_name_become_one_import(world: World) -> None:
    world.enable()
    for region in world.clusters:
        world.export(region)
    status = {"status": {"clusters": [{"cluster": f"memberships/{region}"} for region in sorted(world.clusters)]}}
    wait_until(lambda: all(status in one.patches(IMPORTS) for one in world.clusters.values()))
    for cluster in world.clusters.values():
        found = cluster.applied["ServiceImport", EXPORTED[1]]
        assert found["metadata"]["annotations"] == {"net.gke.io/derived-service": derived_name(EXPORTED)}
        assert found["spec"]["ports"][1] == {"name": "http2", "port": 80}
        assert ("Service", derived_name(EXPORTED)) in cluster.applied
    assert len(world.services.groups(EXPORTED, 80)) == 2
    service = f"{HOME}/global/backendServices/gkemcs-istio-gateway-istio-ingressgateway-tcp-80"
    wait_until(lambda: len(world.store.get(service)["backends"]) == 2)
    assert world.store.get(f"{HOME}/global/forwardingRules/gkemcs-p-vpc")["network"] == NETWORK["selfLink"]


def test_nothing_is_imported_without_the_role_of_the_importers(world: World) -> None:
    world.importer_authorized = False
    world.enable()
    for region in world.clusters:
        world.export(region)
    wait_until(lambda: len(world.services.groups(EXPORTED, 80)) == 2)
    assert not [key for one in world.clusters.values() for key in one.applied if key[0] == "ServiceImport"]
    world.importer_authorized = True
    wait_until(lambda: all(("ServiceImport", EXPORTED[1]) in one.applied for one in world.clusters.values()))


def test_the_feature_has_resources_until_the_last_export_and_its_services_are_deleted(world: World) -> None:
    world.enable()
    world.export("us-west1")
    wait_until(lambda: world.names("forwardingRules"))
    assert world.services.has_resources(FEATURE)
    assert not world.services.has_resources("multiclusteringress")
    world.export("us-west1", deletionTimestamp="now")
    wait_until(lambda: {"metadata": {"finalizers": None}} in world.config.patches(EXPORTS))
    wait_until(lambda: not world.services.has_resources(FEATURE))
    assert not world.names("forwardingRules")
    assert not world.names("backendServices")
    assert ("ServiceImport", EXPORTED[1]) in world.clusters["us-east1"].deleted


def test_a_deleted_cluster_exports_nothing(world: World) -> None:
    world.enable()
    for region in world.clusters:
        world.export(region)
    wait_until(lambda: len(world.services.groups(EXPORTED, 80)) == 2)
    cluster = world.clusters.pop("us-east1")
    world.services.cluster_stopped(cast(Any, cluster))
    assert world.services.exporting(EXPORTED) == ["us-west1"]
    assert len(world.services.groups(EXPORTED, 80)) == 1


def test_the_classes_come_when_the_agent_is_authorized(world: World) -> None:
    world.enable()
    wait_until(lambda: [call for call in world.config.calls if "wait" in call])
    assert not [key for key in world.config.applied if key[0] == "GatewayClass"]
    world.authorized = True
    wait_until(lambda: ("GatewayClass", EXTERNAL_CLASS) in world.config.applied)


def provide(world: World) -> None:
    """Export a Service, and route to it."""
    world.authorized = True
    world.enable()
    world.export("us-west1")
    wait_until(lambda: world.services.groups(EXPORTED, 80))
    world.event(GATEWAYS, "external", GATEWAY)
    world.event(ROUTES, "external", ROUTE)


def test_a_gateway_gets_a_load_balancer_and_its_status(world: World) -> None:
    provide(world)
    wait_until(lambda: world.status(GATEWAYS, "external").get("addresses"))
    wait_until(lambda: world.status(GATEWAYS, "external")["listeners"][0]["attachedRoutes"] == 1)
    status = world.status(GATEWAYS, "external")
    assert status["addresses"] == [{"type": "IPAddress", "value": "198.51.100.1"}]
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "Accepted": "True",
        "Programmed": "True",
        "networking.gke.io/GatewayHealthy": "True",
    }
    assert {"metadata": {"finalizers": [FINALIZER]}} in world.config.patches(GATEWAYS)
    rule = next(one for name in world.names("forwardingRules") if (one := _rule(world, name)) and "gkemcg1" in name)
    assert json.loads(rule["description"]) == {
        "k8sResource": "/namespaces/istio-gateway/gateways/external",
        "k8sCluster": "/projects/p/locations/us-west1/clusters/one",
    }
    assert world.store.get(f"{HOME}/global/addresses/gateway")["status"] == "IN_USE"
    annotations = [one["metadata"]["annotations"] for one in world.config.patches(GATEWAYS) if _annotated(one)][-1]
    assert annotations["networking.gke.io/firewalls"] == (
        f"/projects/{PROJECT_NUMBER}/global/firewalls/gkemcg1-l7-vpc-global"
    )
    parents = world.status(ROUTES, "external")["parents"]
    assert [one["status"] for one in parents[0]["conditions"]] == ["True", "True"]


def _rule(world: World, name: str) -> dict[str, Any]:
    return world.store.get(f"{HOME}/global/forwardingRules/{name}")


def _annotated(patch: dict[str, Any]) -> bool:
    return "annotations" in patch.get("metadata", {})


def test_a_policy_decides_the_health_check(world: World) -> None:
    provide(world)

    def check() -> dict[str, Any]:
        names = [one for one in world.names("healthChecks") if one.startswith("gkemcg1-istio-gateway")]
        found = [world.store.get(f"{HOME}/global/healthChecks/{name}")["httpHealthCheck"] for name in names]
        return found[0] if found else {}

    wait_until(lambda: check() == {"portSpecification": "USE_SERVING_PORT", "requestPath": "/"})
    http = {"portSpecification": "USE_FIXED_PORT", "port": 15021, "requestPath": "/healthz/ready"}
    reference = {"group": "net.gke.io", "kind": "ServiceImport", "name": EXPORTED[1]}
    policy = {"default": {"config": {"type": "HTTP", "httpHealthCheck": http}}, "targetRef": reference}
    world.event(HEALTH_POLICIES, EXPORTED[1], policy)
    wait_until(lambda: check() == http)


@pytest.mark.parametrize(
    ("spec", "annotations", "problem"),
    [
        ({"addresses": [{"type": "NamedAddress", "value": "other"}]}, {}, "the address other does not exist"),
        ({}, {CERTIFICATE_MAP: "other"}, "the certificate map other does not exist"),
        ({"listeners": [{"name": "https", "protocol": "HTTPS", "port": 443}]}, {}, "has no certificate"),
        (
            {"gatewayClassName": INTERNAL_CLASS, "addresses": [{"type": f"{EPHEMERAL}us-west1", "value": "us-west1"}]},
            {},
            "no active proxy-only subnet in us-west1",
        ),
    ],
)
def test_a_gateway_that_lacks_something_is_not_programmed(
    world: World, spec: dict[str, Any], annotations: dict[str, str], problem: str
) -> None:
    world.authorized = True
    world.enable()
    world.event(GATEWAYS, "external", GATEWAY | spec, annotations=annotations)
    wait_until(lambda: world.status(GATEWAYS, "external"))
    status = world.status(GATEWAYS, "external")
    assert not status["addresses"]
    [programmed] = [one for one in status["conditions"] if one["type"] == "Programmed"]
    assert programmed["status"] == "False"
    assert problem in programmed["message"]
    assert not [name for name in world.names("forwardingRules") if "gkemcg1" in name]


def test_a_route_to_no_import_is_not_resolved(world: World) -> None:
    world.authorized = True
    world.enable()
    world.event(ROUTES, "external", ROUTE)
    wait_until(lambda: world.status(ROUTES, "external"))
    conditions = world.status(ROUTES, "external")["parents"][0]["conditions"]
    assert [(one["type"], one["reason"]) for one in conditions] == [
        ("Accepted", "NoMatchingParent"),
        ("ResolvedRefs", "BackendNotFound"),
    ]


def test_a_deleted_gateway_leaves_its_firewall_rule_for_a_while(world: World) -> None:
    provide(world)
    wait_until(lambda: world.status(GATEWAYS, "external").get("addresses"))
    assert world.gateway.has_resources("multiclusteringress")
    world.event(GATEWAYS, "external", GATEWAY, deletionTimestamp="now")
    wait_until(lambda: {"metadata": {"finalizers": None}} in world.config.patches(GATEWAYS))
    assert not [name for name in world.names("forwardingRules") if "gkemcg1" in name]
    assert world.store.get(f"{HOME}/global/addresses/gateway")["status"] == "RESERVED"
    assert world.gateway.has_resources("multiclusteringress")
    wait_until(lambda: not world.gateway.has_resources("multiclusteringress"))
    assert not world.names("firewalls")


def test_objects_that_are_deleted_at_once_leave_nothing(world: World) -> None:
    """A killed terraform may create an object, and `mesh repair` delete it, before it has a finalizer."""
    provide(world)
    wait_until(lambda: world.gateway.has_resources("multiclusteringress"))
    for kind in (GATEWAYS, EXPORTS):
        world.config.events[kind].append({**world.config.events[kind][-1], "type": "DELETED"})
    wait_until(lambda: not world.gateway.has_resources("multiclusteringress"))
    wait_until(lambda: not world.services.has_resources(FEATURE))


def test_a_url_map_has_the_hosts_paths_and_weights_of_the_routes(world: World) -> None:
    provide(world)
    split = [{**BACKEND, "weight": 90}, {**BACKEND, "name": "other", "weight": 10}]
    paths = [{"path": {"type": "PathPrefix", "value": "/cart"}}, {"path": {"type": "Exact", "value": "/basket"}}]
    rules = [{"backendRefs": [BACKEND]}, {"backendRefs": split, "matches": paths}]
    world.event(ROUTES, "external", {**ROUTE, "hostnames": ["shop.example.com"], "rules": rules})

    def url_map() -> dict[str, Any]:
        names = [one for one in world.names("urlMaps") if one.startswith("gkemcg1")]
        return world.store.get(f"{HOME}/global/urlMaps/{names[0]}") if names else {}

    wait_until(lambda: [one["hosts"] for one in url_map().get("hostRules", ())] == [["shop.example.com"]])
    found = url_map()
    [matcher] = found["pathMatchers"]
    assert found["hostRules"][0]["pathMatcher"] == matcher["name"]
    assert "gw-serve404" in found["defaultService"]
    assert matcher["defaultService"] == found["defaultService"]
    assert json.loads(found["description"])["k8sResource"] == "/namespaces/istio-gateway/gateways/external"
    assert [one["matchRules"] for one in matcher["routeRules"]] == [
        [{"fullPathMatch": "/basket"}],
        [{"fullPathMatch": "/cart"}],
        [{"prefixMatch": "/cart/"}],
        [{"prefixMatch": "/"}],
    ]
    weighted = matcher["routeRules"][0]["routeAction"]["weightedBackendServices"]
    assert [one["weight"] for one in weighted] == [90, 10]
    services = [*(one["backendService"] for one in weighted), matcher["routeRules"][-1]["service"]]
    assert all(world.store.find(path[path.index("projects/") :]) for path in services)


def test_a_redirect_has_no_backend(world: World) -> None:
    provide(world)
    wait_until(lambda: world.status(GATEWAYS, "external").get("addresses"))
    filters = [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]
    world.event(ROUTES, "external", {"parentRefs": [{"name": "external"}], "rules": [{"filters": filters}]})

    def redirects() -> list[Any]:
        names = [one for one in world.names("urlMaps") if one.startswith("gkemcg1")]
        found = [world.store.get(f"{HOME}/global/urlMaps/{name}")["pathMatchers"] for name in names]
        return [rule.get("urlRedirect") for matchers in found for one in matchers for rule in one["routeRules"]]

    wait_until(lambda: redirects() == [{"httpsRedirect": True, "redirectResponseCode": "FOUND"}])
    assert not [name for name in world.names("backendServices") if name.startswith("gkemcg1-istio-gateway")]


def test_a_fingerprint_follows_from_the_content_alone(world: World) -> None:
    parts, place = CloudParts(world.cloud), "global/backendServices/shop"
    parts.compute = Compute(world.cloud)
    for seconds in (30, 40):
        parts.apply(place, {"timeoutSec": seconds})
    changed = (parts.find(place) or {})["fingerprint"]
    parts.remove(parts.path(place))
    parts.create(place, {"timeoutSec": 40})
    assert (parts.find(place) or {})["fingerprint"] == changed
