"""`mesh status`, of the endpoints as the health checks of a load balancer find them."""

import pytest

from tests.cli.deployed_mesh import GATEWAY, LOCATIONS, PARENT, PROJECT, VERSIONS, VPC, DeployedMesh, endpoint_group
from tests.cli.gateway_mesh import use_gateway
from tests.fake_cloud.faults import RequestFault

SERVICE = f"gkemcg1-istio-gateway-{GATEWAY}-80-a1b2c3d4e5f6"
UNMATCHED = "gkemcg1-istio-gateway-kube-system-gw-serve404-80-8zjp3tn6cqmj"
TITLES = {"multi-cluster-ingress": "Multi Cluster Ingress", "gateway": "Multi-cluster Gateway"}
SERVICES = {"multi-cluster-ingress": "mci-8se3df-80-istio-gateway", "gateway": SERVICE}
FRONT_ENDS = {"multi-cluster-ingress": GATEWAY, "gateway": "external"}


def _add_backends(mesh: DeployedMesh) -> None:
    """Add the Gateway's backend services, and name them as its controller does."""
    groups = []
    for region in VERSIONS:
        for zone in "abc":
            path = f"{PARENT}/zones/{LOCATIONS[region]}-{zone}/networkEndpointGroups/k8s1-gateway"
            mesh.cloud[path] = {**endpoint_group("k8s1-gateway", region, GATEWAY), "network": VPC}
            groups.append({"group": f"https://www.googleapis.com/compute/v1/{path}", "balancingMode": "RATE"})
    for name, backends in ((SERVICE, groups), (UNMATCHED, [])):
        mesh.cloud[f"{PARENT}/global/backendServices/{name}"] = {"name": name, "backends": backends}
    [gateway] = [one for one in mesh.objects("tokyo", "Gateway") if "gateway.networking" in one["apiVersion"]]
    paths = ", ".join(f"/{PARENT}/global/backendServices/{name}" for name in (UNMATCHED, SERVICE))
    gateway["metadata"]["annotations"] |= {"networking.gke.io/backend-services": paths}


@pytest.fixture(params=TITLES)
def api(mesh: DeployedMesh, request: pytest.FixtureRequest) -> str:
    """A mesh behind one of the load balancers."""
    name: str = request.param
    if name == "gateway":
        use_gateway(mesh)
        _add_backends(mesh)
    return name


def test_all_endpoints_are_healthy(mesh: DeployedMesh, api: str) -> None:
    found = mesh.run_json("status").findings("ok")
    for region in VERSIONS:
        assert found[TITLES[api], f"backends of {FRONT_ENDS[api]} in {region}"]["text"] == "3 of 3 healthy"
    assert mesh.gcp.server.journal.unknown() == []


@pytest.mark.parametrize(
    ("health", "state", "text"),
    [
        (["UNHEALTHY"], "failure", "0 of 3 healthy: the load balancer sends no requests there"),
        ([], "failure", "no endpoints: the load balancer sends no requests there"),
        (["HEALTHY", "UNHEALTHY"], "warning", "3 of 6 healthy"),
    ],
)
def test_one_region_is_not_healthy(mesh: DeployedMesh, api: str, health: list[str], state: str, text: str) -> None:
    mesh.health["osaka"] = health
    [(where, one)] = mesh.run_json("status").findings(state).items()
    assert where == (TITLES[api], f"backends of {FRONT_ENDS[api]} in osaka")
    assert one["text"] == text
    assert one["fix"] == f"gcloud compute backend-services get-health {SERVICES[api]} --global --project {PROJECT}"


def test_unready_gateways_are_told_once(mesh: DeployedMesh, api: str) -> None:
    """That the load balancer finds them unhealthy is the consequence."""
    mesh.health["osaka"] = ["UNHEALTHY"]
    mesh.object("osaka", "Deployment", GATEWAY)["status"]["readyReplicas"] = 0
    found = mesh.run_json("status").findings("failure")
    assert not [name for _, name in found if name.startswith("backends of")]
    assert "osaka" in {section for section, _ in found}


def test_a_drained_region_needs_no_endpoints(mesh: DeployedMesh, api: str) -> None:
    mesh.content["regions"]["osaka"]["drained"] = True
    mesh.health["osaka"] = []
    names = [name for _, name in mesh.run_json("status").findings() if name.startswith("backends of")]
    assert names == [f"backends of {FRONT_ENDS[api]} in tokyo"]


def test_the_health_is_not_known(mesh: DeployedMesh, api: str) -> None:
    mesh.gcp.server.cloud.faults.add(RequestFault("POST .*getHealth$", 403, 99))
    found = mesh.run_json("status").findings("failure")
    assert found[TITLES[api], f"backends of {FRONT_ENDS[api]}"]["text"].startswith("unknown: ")
