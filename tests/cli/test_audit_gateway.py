"""`mesh audit`, of what multi-cluster Gateway and multi-cluster services create and leave behind."""

import json

import pytest

from tests.cli.deployed_mesh import GATEWAY, LOCATIONS, PARENT, PROJECT, VERSIONS, VPC, DeployedMesh, cluster_name
from tests.cli.gateway_mesh import CERTIFICATE, DOMAIN, GATEWAY_ADDRESS, NAMES, use_gateway

TO = f"--project {PROJECT}"
FRONT, BACK = "gkemcg1-istio-gateway-external-abcdefghijkl", f"gkemcg1-istio-gateway-{GATEWAY}-80-abcdefghijkl"
SERVICES, SHARED = f"gkemcs-istio-gateway-{GATEWAY}-tcp-80", f"gkemcs-{PROJECT}-matt-vpc"
UNMATCHED = "gkemcg1-kube-system-gw-serve404-80-abcdefghijkl"
FIREWALL = "gkemcg1-l7-matt-vpc-global"
GROUP = f"k8s1-1a2b3c4d-istio-gate-{GATEWAY}-80-9a8b7c6d"


def _link(path: str) -> str:
    return f"https://www.googleapis.com/compute/v1/{PARENT}/{path}"


def create(mesh: DeployedMesh, path: str, **content: object) -> None:
    mesh.cloud[f"{PARENT}/{path}"] = {"name": path.rpartition("/")[2], "selfLink": _link(path), **content}


def _chain(mesh: DeployedMesh, front: str, backs: list[str], groups: list[str], rule: dict[str, object]) -> None:
    """Create a load balancer, from its forwarding rule to its endpoint groups."""
    for back in backs:
        create(mesh, f"global/healthChecks/{back}")
        backends = [{"group": _link(group)} for group in groups] if "serve404" not in back else []
        checks = [_link(f"global/healthChecks/{back}")]
        create(mesh, f"global/backendServices/{back}", backends=backends, healthChecks=checks)
    services = [_link(f"global/backendServices/{back}") for back in backs]
    matchers = {"pathMatchers": [{"name": "all", "defaultService": services[0]}], "defaultService": services[-1]}
    create(mesh, f"global/urlMaps/{front}", **matchers)
    create(mesh, f"global/targetHttpProxies/{front}", urlMap=_link(f"global/urlMaps/{front}"))
    create(mesh, f"global/forwardingRules/{front}", target=_link(f"global/targetHttpProxies/{front}"), **rule)


def _group(mesh: DeployedMesh, path: str, network: str, region: str) -> str:
    about = {
        "cluster-uid": f"kube-system-of-{region}",
        "namespace": "istio-gateway",
        "service-name": GATEWAY,
        "port": "80",
    }
    create(mesh, path, network=network, description=json.dumps(about))
    return path


def _of_gateway(namespace: str, cluster: str) -> dict[str, object]:
    about = {"k8sResource": f"/namespaces/{namespace}/gateways/external", "k8sCluster": f"/{cluster}"}
    return {"description": json.dumps(about), "IPAddress": "198.51.100.99"}


@pytest.fixture
def gateway(mesh: DeployedMesh) -> DeployedMesh:
    """A mesh behind multi-cluster Gateway, and another team's Gateway on another network."""
    use_gateway(mesh)
    zones = {region: [f"{LOCATIONS[region]}-{zone}" for zone in "ab"] for region in VERSIONS}
    groups = [
        _group(mesh, f"zones/{zone}/networkEndpointGroups/{GROUP}", VPC, region)
        for region, each in zones.items()
        for zone in each
    ]
    cluster = f"{PARENT}/locations/{LOCATIONS['tokyo']}/clusters/{cluster_name('tokyo')}"
    rule = {**_of_gateway("istio-gateway", cluster), "IPAddress": GATEWAY_ADDRESS}
    _chain(mesh, FRONT, [BACK, UNMATCHED], groups, rule)
    _chain(mesh, SHARED, [SERVICES], groups, {"network": VPC})
    create(mesh, f"global/firewalls/{FIREWALL}", network=VPC)
    other = VPC.replace("matt-vpc", "other-vpc")
    theirs = _group(mesh, "zones/asia-northeast1-a/networkEndpointGroups/k8s1-theirs", other, "paris")
    names = ["gkemcg1-shop-storefront-80-mnopqrstuvwx", UNMATCHED]
    _chain(mesh, "gkemcg1-shop-external-mnopqrstuvwx", names, [theirs], _of_gateway("shop", "projects/p/clusters/c"))
    return mesh


def orphans(mesh: DeployedMesh) -> list[str]:
    return [one["name"] for one in mesh.run_json("audit").data["data"]["orphaned"]]


def _remove_exports(mesh: DeployedMesh) -> None:
    for region in VERSIONS:
        mesh.remove(region, "ServiceExport")


def test_what_is_deployed_belongs(gateway: DeployedMesh) -> None:
    answer = gateway.run_json("audit")
    assert answer.status == 0, answer.findings("failure")
    assert answer.data["data"] == {"orphaned": []}
    assert gateway.gcp.server.journal.unknown() == []


def test_a_load_balancer_without_its_gateway(gateway: DeployedMesh) -> None:
    """In the order in which it can be taken down; what is exported still belongs, and what is shared with others."""
    gateway.remove("tokyo", "Gateway", "external")
    answer = gateway.run_json("audit")
    assert [one["command"] for one in answer.data["data"]["orphaned"]] == [
        f"gcloud compute forwarding-rules delete {FRONT} --global {TO}",
        f"gcloud compute target-http-proxies delete {FRONT} --global {TO}",
        f"gcloud compute url-maps delete {FRONT} --global {TO}",
        f"gcloud compute backend-services delete {BACK} --global {TO}",
        f"gcloud compute health-checks delete {BACK} --global {TO}",
        f"gcloud compute firewall-rules delete {FIREWALL} {TO}",
    ]
    assert answer.findings("failure")["Load balancer", f"URL map {FRONT}"]["text"] == "no Gateway exists any more"


def test_a_gateway_of_one_cluster_needs_no_load_balancer_of_several(gateway: DeployedMesh) -> None:
    gateway.object("tokyo", "Gateway", "external")["spec"]["gatewayClassName"] = "gke-l7-rilb"
    assert f"URL map {FRONT}" in orphans(gateway)


def test_services_without_their_exports(gateway: DeployedMesh) -> None:
    _remove_exports(gateway)
    answer = gateway.run_json("audit")
    names = [one["name"] for one in answer.data["data"]["orphaned"]]
    assert [name for name in names if "endpoint group" in name] == [
        f"endpoint group {GROUP} in {LOCATIONS[region]}-{zone}" for region in VERSIONS for zone in "ab"
    ]
    assert {name.rpartition(" ")[2] for name in names if "endpoint group" not in name} == {SERVICES, SHARED}
    assert (
        answer.findings("failure")["Load balancer", f"URL map {SHARED}"]["text"] == "no ServiceExport exists any more"
    )


@pytest.mark.parametrize("gone", [1, 3])
def test_what_is_left_of_a_load_balancer(gateway: DeployedMesh, gone: int) -> None:
    """Parts that lead nowhere any more are known by the objects that their names have."""
    gateway.remove("tokyo", "Gateway", "external")
    for collection in ("forwardingRules", "targetHttpProxies", "urlMaps")[:gone]:
        del gateway.cloud[f"{PARENT}/global/{collection}/{FRONT}"]
    gateway.cloud[f"{PARENT}/global/backendServices/{BACK}"]["backends"] = []
    left = orphans(gateway)
    assert [f"backend service {BACK}", f"health check {BACK}"] == [name for name in left if BACK in name]
    assert len([name for name in left if FRONT in name]) == 3 - gone
    assert not [name for name in left if "shop" in name or "serve404" in name]


def test_the_backend_of_unmatched_requests_is_left(gateway: DeployedMesh) -> None:
    """It is shared by the whole project: it is orphaned only if no other load balancer uses it."""
    gateway.remove("tokyo", "Gateway", "external")
    for path in [path for path in gateway.cloud if "gkemcg1-shop" in path]:
        del gateway.cloud[path]
    assert f"backend service {UNMATCHED}" in orphans(gateway)


def test_a_gateway_of_another_cluster_has_the_same_name(gateway: DeployedMesh) -> None:
    gateway.remove("tokyo", "Gateway", "external")
    name = FRONT.replace("abc", "xyz")
    create(gateway, f"global/forwardingRules/{name}", **_of_gateway("istio-gateway", "projects/p/clusters/other"))
    assert f"forwarding rule {name}" not in orphans(gateway)


def test_certificates_that_terraform_does_not_know(mesh: DeployedMesh) -> None:
    """A map is deleted before its certificates, and after its entries."""
    use_gateway(mesh, domain=True)
    assert orphans(mesh) == []
    state = mesh.states["ingress"]
    assert isinstance(state, dict)
    for address in [one for one in state if one.startswith("google_certificate_manager")]:
        del state[address]
    name, map_ = NAMES.certificate(DOMAIN), NAMES.certificate_map
    commands = [one["command"] for one in mesh.run_json("audit").data["data"]["orphaned"]]
    assert commands == [
        f"gcloud certificate-manager maps entries delete {name} --map {map_} --location global {TO}",
        f"gcloud certificate-manager maps delete {map_} --location global {TO}",
        f"gcloud certificate-manager certificates delete {name} --location global {TO}",
        f"gcloud certificate-manager dns-authorizations delete {name} --location global {TO}",
    ]
    mesh.cloud[CERTIFICATE]["managed"]["domains"] = ["other.example.com"]
    assert f"certificate {name}" not in orphans(mesh)
