"""Multi-cluster Gateway's objects, with the real provider, a real API server and the simulated controllers."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from config.naming import GATEWAY_NAMESPACE
from tests.fake_cloud.cloud import Cloud
from tests.fake_cloud.compute import Compute
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.testing import FakeControlPlanes
from tests.local_mesh.cluster import LocalCluster
from tests.local_mesh.toolchain import get_toolchain
from tests.rehearsal.cloud_parts import CloudParts
from tests.rehearsal.endpoint_groups import EndpointGroups
from tests.rehearsal.gateway_controller import GatewayController
from tests.rehearsal.service_controller import FEATURE, ServiceController
from tests.synthesized import Synthesis
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack, Resources, region_resources
from tests.terraform.terraform import run_terraform

REGION, LOCATIONS = "tokyo", ("asia-northeast1", "asia-northeast2")
KINDS = ("GCPBackendPolicy", "GCPGatewayPolicy", "Gateway", "HTTPRoute", "HealthCheckPolicy", "ServiceExport")
REFERENCE = "192.0.2.1"
"""In place of what the objects refer to outside of Kubernetes."""

HOME = "projects/p"
SECONDS = 60


class WatchedCluster(LocalCluster):
    """An API server as the controllers use a cluster."""

    def __init__(self, server: ApiServer) -> None:
        site: Any = SimpleNamespace(key=REGION, location=LOCATIONS[0], zones=(f"{LOCATIONS[0]}-a",))
        folder = server.kubeconfig.parent
        super().__init__(site, namespace=cast(Any, None), tools=get_toolchain(print), folder=folder)
        self.kubeconfig = server.kubeconfig


class Controllers:
    """The controllers of a fleet with one cluster, and a cloud with what the objects refer to."""

    def __init__(self, server: ApiServer) -> None:
        cluster = WatchedCluster(server)
        self.store = self._build(cluster)

    def _build(self, cluster: WatchedCluster) -> Any:
        cloud = Cloud.create("p", "http://127.0.0.1:1", Latencies(0.004), FakeControlPlanes())
        parts = CloudParts(cloud)
        parts.compute = Compute(cloud)
        network = parts.link("global/networks/vpc")
        cloud.store.add(f"{HOME}/global/networks/vpc", {"name": "vpc", "selfLink": network})
        cloud.store.add(f"{HOME}/global/addresses/{REFERENCE}", {"address": "198.51.100.1", "status": "RESERVED"})
        cloud.store.add(f"{HOME}/locations/global/certificateMaps/{REFERENCE}", {})
        for number, location in enumerate(LOCATIONS):
            for purpose, prefix in (
                ("PRIVATE", f"172.{number}.0.0/20"),
                ("GLOBAL_MANAGED_PROXY", f"10.{number}.0.0/26"),
            ):
                place = f"regions/{location}/subnetworks/{purpose.lower()}"
                body = {"network": network, "purpose": purpose, "ipCidrRange": prefix, "selfLink": parts.link(place)}
                cloud.store.add(parts.path(place), body)
        clusters: Mapping[str, LocalCluster] = {REGION: cluster}
        self.services = ServiceController(
            parts,
            lambda: clusters,
            membership=lambda one: f"memberships/{one.site.key}",
            authorized=lambda: True,
            changed=self._wake,
        )
        self.gateway = GatewayController(
            parts, lambda: clusters, self.services, authorized=lambda: True, cluster_path=lambda one: one.site.key
        )
        EndpointGroups(cluster, cloud.store).start()
        self.services.feature_changed(FEATURE, {})
        membership = f"{HOME}/locations/{LOCATIONS[0]}/memberships/one"
        spec = {"spec": {"multiclusteringress": {"configMembership": membership}}}
        self.gateway.feature_changed("multiclusteringress", spec)
        return cloud.store

    def _wake(self) -> None:
        self.gateway.wake()

    def places(self, *words: str) -> list[str]:
        """Return the paths of the cloud's resources that have one of these words."""
        return [path for path in self.store.all() if any(word in path for word in words)]


def resources(synthesis: Synthesis) -> Resources:
    found = region_resources(synthesis, REGION, "ingress")["kubernetes_manifest"]
    kept = {name: one for name, one in found.items() if _is_of_load_balancers(one["manifest"])}
    for one in kept.values():
        one["depends_on"] = [other for other in one.get("depends_on", ()) if other.partition(".")[2] in kept]
    return {"kubernetes_manifest": kept}


def _is_of_load_balancers(manifest: Mapping[str, Any]) -> bool:
    in_namespace = manifest["metadata"].get("namespace") == GATEWAY_NAMESPACE
    return in_namespace and manifest["kind"] in (*KINDS, "Service")


def wait_until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def controllers(cluster: ApiServer) -> Controllers:
    cluster.kubectl("create", "namespace", GATEWAY_NAMESPACE)
    return Controllers(cluster)


def test_the_plan_is_empty_after_the_controllers_and_a_destroy_ends(
    cluster: ApiServer, controllers: Controllers, synthesized: Callable[[str], Synthesis], tmp_path: Path
) -> None:
    synthesis = synthesized("gateway")
    stack = KubernetesStack(tmp_path, synthesis, resources(synthesis), cluster.kubeconfig)
    assert {one["kind"] for one in stack.manifests().values()} == {*KINDS, "Service"}
    stack.deploy()

    def addresses(name: str) -> list[str]:
        found = cluster.get("gateways.gateway.networking.k8s.io", name, "--namespace", GATEWAY_NAMESPACE)
        return [one["value"] for one in found["status"].get("addresses", ())]

    wait_until(lambda: addresses("external") == ["198.51.100.1"])
    wait_until(lambda: addresses("internal") == ["172.0.15.253", "172.1.15.253"])
    wait_until(lambda: controllers.places("gkemcs-", "k8s1-"))
    # The controllers have changed annotations, finalizers and status; defaults were added before.
    assert "0 added, 0 changed, 0 destroyed" in stack.deploy()
    run_terraform(stack.folder, "destroy", "-auto-approve")
    assert not controllers.places("/forwardingRules/gkemcg1-")
    wait_until(lambda: not controllers.places("gkemcg1-", "gkemcs-", "k8s1-"))
    wait_until(lambda: not controllers.gateway.has_resources("multiclusteringress"))
    wait_until(lambda: not controllers.services.has_resources(FEATURE))
