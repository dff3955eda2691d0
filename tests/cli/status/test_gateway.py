"""`mesh status`, of multi-cluster Gateway: each fault behind it makes exactly one finding."""

from collections.abc import Callable
from typing import Any

import pytest

from config.naming import MANIFEST_ANNOTATION
from tests.cli.deployed_mesh import ADDRESS, DEPLOY, GATEWAY, PARENT, PROJECT, Case, DeployedMesh, membership_key
from tests.cli.gateway_mesh import (
    AGENT,
    BINDINGS,
    CERTIFICATE,
    DOMAIN,
    ENTRY,
    GATEWAY_ADDRESS,
    NAMES,
    RECORD,
    use_gateway,
)

SECTION = "Multi-cluster Gateway"
TOKYO = "kubectl --context gke_test-project_asia-northeast1_matt-tokyo-cluster-1 --namespace istio-gateway"
DESCRIBE = f"{TOKYO} describe gateways.gateway.networking.k8s.io external"
EXPORTS = "serviceexports.net.gke.io,serviceimports.net.gke.io"


@pytest.mark.parametrize(
    ("api", "exposure", "addresses"),
    [
        ("gateway", "external", {f"{SECTION} external": GATEWAY_ADDRESS}),
        ("gateway", "internal", {f"{SECTION} internal": "172.16.0.9, 172.24.0.9"}),
        (
            "gateway",
            "both",
            {f"{SECTION} external": GATEWAY_ADDRESS, f"{SECTION} internal": "172.16.0.9, 172.24.0.9"},
        ),
        ("both", "external", {"Multi Cluster Ingress": ADDRESS, f"{SECTION} external": GATEWAY_ADDRESS}),
    ],
)
def test_all_is_well(mesh: DeployedMesh, api: str, exposure: str, addresses: dict[str, str]) -> None:
    use_gateway(mesh, api=api, exposure=exposure)
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert set(answer.findings()) == set(answer.findings("ok"))
    sections = [one["title"] for one in answer.data["sections"]]
    assert sections[6:] == (["Multi Cluster Ingress"] if api == "both" else []) + [SECTION]
    assert answer.data["data"]["addresses"] == addresses
    assert answer.data["data"]["vip"] == next(iter(addresses.values()))
    assert mesh.gcp.server.journal.unknown() == []


def _status(name: str = "external") -> Callable[[DeployedMesh], dict[str, Any]]:
    return lambda mesh: gateway_of(mesh, name)["status"]


def gateway_of(mesh: DeployedMesh, name: str = "external") -> dict[str, Any]:
    return next(one for one in mesh.objects("tokyo", "Gateway", name) if "gateway.networking" in one["apiVersion"])


def _false(part: Callable[[DeployedMesh], dict[str, Any]], kind: str, reason: str) -> Callable[[DeployedMesh], None]:
    """Return what makes one condition of an object, or of a part of it, false."""

    def spoil(mesh: DeployedMesh) -> None:
        [one] = [one for one in part(mesh)["conditions"] if one["type"].endswith(kind)]
        one.update(status="False", reason=reason, message="as the controller says")

    return spoil


def _other(part: Callable[[DeployedMesh], dict[str, Any]], kind: str, status: str) -> Callable[[DeployedMesh], None]:
    """Return what adds a condition that not every controller writes."""
    return lambda mesh: part(mesh)["conditions"].append({"type": kind, "status": status, "reason": "Invalid"})


def _listener(mesh: DeployedMesh) -> dict[str, Any]:
    found: dict[str, Any] = _status()(mesh)["listeners"][0]
    return found


def _parent(mesh: DeployedMesh) -> dict[str, Any]:
    found: dict[str, Any] = mesh.object("tokyo", "HTTPRoute", "external")["status"]["parents"][0]
    return found


def _unprocessed(mesh: DeployedMesh) -> None:
    gateway_of(mesh)["metadata"]["generation"] = 2
    for one in _status()(mesh)["conditions"]:
        one["observedGeneration"] = 1


def _foreign_route(mesh: DeployedMesh) -> None:
    route = {
        **mesh.object("tokyo", "HTTPRoute", "external"),
        "metadata": {"name": "shop", "namespace": "istio-gateway"},
    }
    mesh.add("tokyo", route)
    _listener(mesh)["attachedRoutes"] = 2


def _import(mesh: DeployedMesh) -> dict[str, Any]:
    return mesh.object("tokyo", "ServiceImport")


def _clusters(*regions: str) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        _import(mesh)["status"]["clusters"] = [{"cluster": membership_key(one)} for one in regions]

    return spoil


def _unbound(role: str) -> Callable[[DeployedMesh], None]:
    def spoil(mesh: DeployedMesh) -> None:
        policy = mesh.gcp.server.resource_manager._policy
        policy["bindings"] = [one for one in policy["bindings"] if one["role"] != role]

    return spoil


def _of_feature(name: str, **state: str) -> Callable[[DeployedMesh], None]:
    return lambda mesh: mesh.feature(name)["membershipStates"][membership_key("osaka")].update(state=state)


def _no_endpoints(mesh: DeployedMesh) -> None:
    for one in mesh.objects("osaka", "EndpointSlice", GATEWAY):
        one["endpoints"][0]["conditions"]["ready"] = False


CASES: dict[str, Case] = {
    "no services feature": Case(
        lambda mesh: mesh.feature("multiclusterservicediscovery").update(resourceState={"state": "ENABLING"}),
        ("Fleet", "feature multiclusterservicediscovery"),
        "ENABLING",
        f"gcloud container fleet multi-cluster-services describe --project {PROJECT}",
    ),
    "a cluster without multi-cluster services": Case(
        _of_feature("multiclusterservicediscovery", code="ERROR", description="no importer"),
        (SECTION, "feature multiclusterservicediscovery in osaka"),
        "ERROR: no importer",
        f"gcloud container fleet multi-cluster-services describe --project {PROJECT}",
    ),
    "the internal load balancer's proxies are not admitted": Case(
        lambda mesh: mesh.cloud[f"{PARENT}/global/firewalls/matt-vpc-internal-load-balancer"].update(
            allowed=[{"IPProtocol": "tcp", "ports": ["80"]}]
        ),
        ("Network", "firewall rule matt-vpc-internal-load-balancer"),
        "protocols: tcp:15021 missing",
        "cdktf deploy network",
    ),
    "another config cluster": Case(
        lambda mesh: mesh.feature("multiclusteringress").update(
            spec={"multiclusteringress": {"configMembership": membership_key("osaka")}}
        ),
        (SECTION, "config cluster"),
        "but tokyo is configured",
    ),
    "no Gateway": Case(
        lambda mesh: mesh.remove("tokyo", "Gateway", "external"),
        ("tokyo", "Gateway istio-gateway/external"),
        "missing",
        "terraform -chdir=cdktf.out/stacks/ingress apply -target='kubernetes_manifest.tokyo_istio-gateway_gateway_",
    ),
    "a Gateway of an unknown class": Case(
        _false(_status(), "Accepted", "Invalid"),
        (SECTION, "Gateway external"),
        "Accepted is False, Invalid: as the controller says",
        DESCRIBE,
    ),
    "a Gateway that is not programmed": Case(
        _false(_status(), "Programmed", "AddressNotAssigned"),
        (SECTION, "Gateway external"),
        "Programmed is False, AddressNotAssigned",
        DESCRIBE,
    ),
    "no healthy backend": Case(
        _false(_status(), "GatewayHealthy", "Unhealthy"),
        (SECTION, "Gateway external"),
        "GatewayHealthy is False",
        DESCRIBE,
    ),
    "a Gateway that no controller has seen": Case(
        lambda mesh: _status()(mesh).update(conditions=[]),
        (SECTION, "Gateway external"),
        "not reported yet: Accepted, Programmed",
        DESCRIBE,
    ),
    "a change that is not processed": Case(
        _unprocessed, (SECTION, "Gateway external"), "the controller has not processed the last change yet", DESCRIBE
    ),
    "another address serves": Case(
        lambda mesh: _status()(mesh).update(addresses=[{"value": "198.51.100.9"}]),
        (SECTION, "address of external"),
        f"{GATEWAY_ADDRESS} is reserved, but the load balancer has 198.51.100.9",
        DESCRIBE,
    ),
    "no address is reserved": Case(
        lambda mesh: mesh.cloud.pop(f"{PARENT}/global/addresses/matt-gateway"),
        (SECTION, "address of external"),
        "matt-gateway is not reserved",
    ),
    "an internal address is missing": Case(
        lambda mesh: _status("internal")(mesh)["addresses"].pop(),
        (SECTION, "address of internal"),
        "1 of 2, for asia-northeast1, asia-northeast2",
        DESCRIBE.replace("external", "internal"),
    ),
    "references that can't be resolved": Case(
        _false(_listener, "ResolvedRefs", "InvalidCertificateRef"),
        (SECTION, "listener external/http"),
        "ResolvedRefs is False, InvalidCertificateRef",
        DESCRIBE,
    ),
    "a listener that is missing": Case(
        lambda mesh: _status()(mesh).update(listeners=[]),
        (SECTION, "listener external/http"),
        "not reported yet",
        DESCRIBE,
    ),
    "a route that is not attached": Case(
        lambda mesh: _listener(mesh).update(attachedRoutes=0),
        (SECTION, "listener external/http"),
        "0 routes attached, but 1 refer to it",
        DESCRIBE,
    ),
    "a route without its backend": Case(
        _false(_parent, "ResolvedRefs", "BackendNotFound"),
        (SECTION, "route external"),
        "ResolvedRefs is False, BackendNotFound",
        f"{TOKYO} describe httproutes.gateway.networking.k8s.io external",
    ),
    "a route that its load balancer does not have": Case(
        _other(_parent, "Reconciled", "False"),
        (SECTION, "route external"),
        "Reconciled is False, Invalid",
        f"{TOKYO} describe httproutes.gateway.networking.k8s.io external",
    ),
    "a route of which a part is not in effect": Case(
        _other(_parent, "PartiallyInvalid", "True"),
        (SECTION, "route external"),
        "PartiallyInvalid is True, Invalid",
        f"{TOKYO} describe httproutes.gateway.networking.k8s.io external",
    ),
    "a listener that another one excludes": Case(
        _other(_listener, "Conflicted", "True"),
        (SECTION, "listener external/http"),
        "Conflicted is True, Invalid",
        DESCRIBE,
    ),
    "a route that no controller has seen": Case(
        lambda mesh: mesh.object("tokyo", "HTTPRoute", "external").pop("status"),
        (SECTION, "route external"),
        "no controller has processed it yet",
        f"{TOKYO} describe httproutes.gateway.networking.k8s.io external",
    ),
    "somebody else's route": Case(
        _foreign_route,
        (SECTION, "route shop"),
        "no stack applies it; it is in effect for users of the Gateway external",
        f"{TOKYO} delete httproutes.gateway.networking.k8s.io shop",
    ),
    "a health check that is not attached": Case(
        lambda mesh: mesh.object("tokyo", "HealthCheckPolicy")["status"]["conditions"][0].update(
            status="False", reason="Conflicted"
        ),
        (SECTION, f"HealthCheckPolicy {GATEWAY}"),
        "Attached is False, Conflicted: it is not in effect",
        f"{TOKYO} describe healthcheckpolicy.networking.gke.io {GATEWAY}",
    ),
    "no imported Service": Case(
        lambda mesh: mesh.remove("tokyo", "ServiceImport"),
        (SECTION, f"ServiceImport istio-gateway/{GATEWAY}"),
        "missing: multi-cluster services has not imported the exported gateways",
        f"{TOKYO} get {EXPORTS}",
    ),
    "no derived Service": Case(
        lambda mesh: _import(mesh)["metadata"].update(annotations={}),
        (SECTION, f"ServiceImport istio-gateway/{GATEWAY}"),
        "it has no derived Service yet",
        f"{TOKYO} get {EXPORTS}",
    ),
    "no export of a cluster": Case(
        lambda mesh: mesh.remove("osaka", "ServiceExport"),
        ("osaka", f"ServiceExport istio-gateway/{GATEWAY}"),
        "missing",
        f"apply -target='kubernetes_manifest.osaka_istio-gateway_serviceexport_{GATEWAY}'",
    ),
    "no endpoint in a region": Case(
        _no_endpoints,
        (SECTION, "endpoints"),
        "none in osaka: the load balancer sends no requests there",
        f"{TOKYO} get endpointslices.discovery.k8s.io --selector kubernetes.io/service-name={GATEWAY}",
    ),
    "the importer may not read the network": Case(
        _unbound("roles/compute.networkViewer"),
        (SECTION, "IAM of the importer"),
        "gke-mcs-importer lacks roles/compute.networkViewer",
        f"gcloud projects add-iam-policy-binding {PROJECT} --role=roles/compute.networkViewer --member="
        f"{BINDINGS['roles/compute.networkViewer']} --condition=None",
    ),
    "the controller may not read the clusters": Case(
        _unbound("roles/container.admin"),
        (SECTION, "IAM of the Gateway controller"),
        f"{AGENT} lacks roles/container.admin",
        f"gcloud projects add-iam-policy-binding {PROJECT} --role=roles/container.admin",
    ),
    "the controller warns": Case(
        lambda mesh: mesh.object("tokyo", "Event").update(type="Warning", reason="SYNC", message="no subnet"),
        (SECTION, "events"),
        "SYNC: no subnet",
        f"{TOKYO} get events",
        "warning",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_thing_is_wrong(mesh: DeployedMesh, name: str) -> None:
    use_gateway(mesh, exposure="both")
    CASES[name].check(mesh)


def test_a_cluster_that_is_not_imported(mesh: DeployedMesh) -> None:
    """The load balancer has no endpoints there, which is the consequence."""
    use_gateway(mesh)
    _clusters("tokyo")(mesh)
    wrong = mesh.run_json("status").findings("failure")
    assert set(wrong) == {(SECTION, f"ServiceImport istio-gateway/{GATEWAY}"), (SECTION, "endpoints")}
    assert wrong[SECTION, f"ServiceImport istio-gateway/{GATEWAY}"]["text"] == "without the cluster of osaka"


def test_a_foreign_cluster_is_imported(mesh: DeployedMesh) -> None:
    use_gateway(mesh)
    name = "projects/1/locations/europe-west9/memberships/paris"
    _import(mesh)["status"]["clusters"].append({"cluster": name})
    [(where, said)] = mesh.run_json("status").findings("failure").items()
    assert where == (SECTION, f"ServiceImport istio-gateway/{GATEWAY}")
    assert said["text"] == f"other clusters export it, too, and get requests: {name}"


def test_a_drained_region_has_no_endpoint(mesh: DeployedMesh) -> None:
    use_gateway(mesh)
    mesh.content["regions"]["osaka"]["drained"] = True
    wrong = mesh.run_json("status").findings("failure")
    assert wrong[SECTION, "endpoints"]["text"] == "still in osaka, which the configuration drains"
    _no_endpoints(mesh)
    findings = mesh.run_json("status").findings()
    assert findings[SECTION, "endpoints"]["text"] == "in every region but osaka, as configured"


def _without_record(mesh: DeployedMesh) -> None:
    mesh.gcp.server.certificates.records.clear()
    attempt = {"domain": DOMAIN, "state": "FAILED", "failureReason": "CONFIG"}
    mesh.cloud[CERTIFICATE]["managed"]["authorizationAttemptInfo"] = [attempt]


def _without_redirect(mesh: DeployedMesh) -> None:
    mesh.remove("tokyo", "HTTPRoute", "external-redirect")
    _listener(mesh)["attachedRoutes"] = 0


DOMAIN_CASES: dict[str, Case] = {
    "a certificate waits for its record": Case(
        _without_record,
        (SECTION, f"certificate of {DOMAIN}"),
        "HTTPS fails until Google has issued it",
        f"create the DNS record {RECORD['name']} CNAME {RECORD['data']}",
        "warning",
    ),
    "no certificate": Case(lambda mesh: mesh.cloud.pop(CERTIFICATE), (SECTION, f"certificate of {DOMAIN}"), "missing"),
    "no entry in the map": Case(
        lambda mesh: mesh.cloud.pop(ENTRY),
        (SECTION, f"certificate of {DOMAIN}"),
        "the certificate map has no entry for it",
    ),
    "no redirect": Case(
        _without_redirect,
        ("tokyo", "HTTPRoute istio-gateway/external-redirect"),
        "missing",
        "apply -target='kubernetes_manifest.tokyo_istio-gateway_httproute_external-redirect'",
    ),
}


def test_a_domain_is_served(mesh: DeployedMesh) -> None:
    use_gateway(mesh, domain=True)
    answer = mesh.run_json("status")
    assert answer.status == 0, answer.findings("failure")
    assert answer.findings("ok")[SECTION, f"certificate of {DOMAIN}"]["text"] == "active"
    assert answer.findings("ok")[SECTION, "certificate map"]["text"] == NAMES.certificate_map
    assert answer.findings("ok")[SECTION, "listener external/https"]["text"] == "HTTPS on port 443, 1 route"


@pytest.mark.parametrize("name", DOMAIN_CASES)
def test_one_thing_of_a_domain_is_wrong(mesh: DeployedMesh, name: str) -> None:
    use_gateway(mesh, domain=True)
    DOMAIN_CASES[name].check(mesh)


def test_another_certificate_map_is_used(mesh: DeployedMesh) -> None:
    use_gateway(mesh, domain=True)
    annotations = gateway_of(mesh)["metadata"]["annotations"]
    annotations["networking.gke.io/certmap"] = "others"
    del annotations[MANIFEST_ANNOTATION]  # nor is the state here: nothing tells what was applied
    mesh.states = {}
    wrong = mesh.run_json("status").findings("failure")
    assert wrong[SECTION, "certificate map"]["text"] == "the Gateway uses others, but matt-ingress is configured"
    assert wrong[SECTION, "certificate map"]["fix"] == DEPLOY
