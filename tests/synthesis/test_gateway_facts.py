"""Multi-cluster Gateway: its cloud resources, and its objects as the API servers get them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.crds import EXPORT_CRD, GATEWAY_CRDS, MCI_CRDS
from config.synthesized import kubernetes_objects
from tests.synthesis.test_snapshots import masked
from tests.synthesized import EXAMPLES, Synthesis, environment_of, sample_with, synthesize

NAMESPACE = "istio-gateway"
SERVICE = "istio-ingressgateway"
CLUSTERS = ("tokyo", "osaka")
IMPORT = {"group": "net.gke.io", "kind": "ServiceImport", "name": SERVICE}
GATEWAY_API = "gateway.networking.k8s.io/v1"


@pytest.fixture(scope="module")
def gateway(synthesized: Callable[[str], Synthesis]) -> Synthesis:
    """examples/gateway.yaml: both classes, with domains."""
    return synthesized("gateway")


def changed(folder: Path, changes: dict[str, str]) -> Synthesis:
    """Synthesize examples/gateway.yaml with changes of its text."""
    text = (EXAMPLES / "gateway.yaml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    return synthesize(environment_of(text), folder)


SLOW = "services:\n  slow: {image: 'example.com/slow:1', port: 80, timeout_seconds: 59.5, routes: [{path: /slow}]}\n"


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """For clients of the internet only, with Cloud Armor."""
    changes = {"exposure: both": "security_policy: edge", "ingress:\n": f"{SLOW}ingress:\n"}
    return changed(tmp_path_factory.mktemp("external"), changes)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """The sample environment with both APIs."""
    return sample_with({"ingress:\n": "ingress:\n  api: both\n"}, tmp_path_factory.mktemp("both"))


def routes(synthesis: Synthesis) -> dict[str, Any]:
    return {one["metadata"]["name"]: one["spec"] for one in synthesis.objects("tokyo", "HTTPRoute")}


def gateways(synthesis: Synthesis) -> dict[str, Any]:
    """Return the Gateways of the Gateway API; Istio's have the same kind."""
    return {
        one["metadata"]["name"]: one
        for one in synthesis.objects("tokyo", "Gateway")
        if one["apiVersion"] == GATEWAY_API
    }


def test_the_clusters_have_the_gateway_api(gateway: Synthesis, reference: Synthesis, both: Synthesis) -> None:
    for synthesis, expected in ((gateway, "CHANNEL_STANDARD"), (both, "CHANNEL_STANDARD"), (reference, None)):
        for cluster in synthesis.all("clusters", "google_container_cluster").values():
            assert cluster.get("gateway_api_config", {}).get("channel") == expected


def test_apis(gateway: Synthesis, both: Synthesis, reference: Synthesis) -> None:
    def names(synthesis: Synthesis) -> set[str]:
        services = synthesis.all("network", "google_project_service").values()
        return {one["service"].removesuffix(".googleapis.com") for one in services}

    assert names(gateway) - names(reference) == {"dns", "trafficdirector", "certificatemanager"}
    assert names(both) - names(reference) == {"dns", "trafficdirector"}  # it has no domain


def test_features_and_roles_are_in_the_documented_order(gateway: Synthesis) -> None:
    """Services, the importer's role, the controller, and its agent's role: the agent comes with the feature."""
    features = gateway.all("mesh", "google_gke_hub_feature")
    roles = gateway.all("mesh", "google_project_iam_member")
    services = features["multi-cluster-services"]
    assert (services["name"], "spec" in services) == ("multiclusterservicediscovery", False)
    importer = next(one for name, one in roles.items() if "importer" in name)
    assert importer["role"] == "roles/compute.networkViewer"
    assert importer["member"] == (
        "principal://iam.googleapis.com/projects/${data.google_project.project.number}/locations/global/"
        "workloadIdentityPools/my-mesh-project.svc.id.goog/subject/ns/gke-mcs/sa/gke-mcs-importer"
    )
    assert importer["depends_on"] == ["google_gke_hub_feature.multi-cluster-services"]
    assert "google_gke_hub_feature.multi-cluster-services" in features["multi-cluster-ingress"]["depends_on"]
    agent = roles["gateway-controller"]
    assert agent["role"] == "roles/container.admin"
    assert agent["member"].endswith("@gcp-sa-multiclusteringress.iam.gserviceaccount.com")
    assert agent["depends_on"] == ["google_gke_hub_feature.multi-cluster-ingress"]
    for membership in gateway.all("mesh", "google_gke_hub_feature_membership").values():
        assert "google_project_iam_member.gateway-controller" in membership["depends_on"]


def test_the_mesh_waits_for_the_crds(gateway: Synthesis, both: Synthesis, reference: Synthesis) -> None:
    jobs = {
        region: json.dumps(one) for _, region, one in kubernetes_objects(gateway.stacks["mesh"]) if one["kind"] == "Job"
    }
    assert jobs.keys() == set(CLUSTERS)
    for crd in GATEWAY_CRDS:
        assert crd in jobs["tokyo"]
        assert crd not in jobs["osaka"]
    assert all(EXPORT_CRD in job and MCI_CRDS[0] not in job for job in jobs.values())
    wait = both.one("mesh", "null_resource", "wait")["for_each"]
    assert {*MCI_CRDS, *GATEWAY_CRDS, EXPORT_CRD} <= set(wait["tokyo"]["crds"].split())
    assert EXPORT_CRD in wait["osaka"]["crds"].split()
    before = reference.one("mesh", "null_resource", "wait")["for_each"]
    assert not {EXPORT_CRD, *GATEWAY_CRDS} & set(before["tokyo"]["crds"].split())


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_cluster_exports_its_gateways(gateway: Synthesis, cluster: str) -> None:
    service = gateway.object(cluster, "Service", SERVICE)
    assert service["metadata"]["namespace"] == NAMESPACE
    labels = gateway.object(cluster, "Deployment", SERVICE)["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    ports = {one["name"]: (one["port"], one["targetPort"], one["appProtocol"]) for one in service["spec"]["ports"]}
    assert ports == {"status-port": (15021, 15021, "HTTP"), "http2": (80, 80, "HTTP")}
    export = gateway.object(cluster, "ServiceExport", SERVICE)
    assert export["metadata"]["namespace"] == NAMESPACE
    assert export.keys() == {"apiVersion", "kind", "metadata"}


def test_a_retired_region_exports_nothing(tmp_path: Path) -> None:
    retired = changed(tmp_path, {"number: 8": "number: 8\n    retired: true"})
    assert retired.objects("osaka") == []
    internal = gateways(retired)["internal"]["spec"]
    assert [one["value"] for one in internal["addresses"]] == ["asia-northeast1"]


def test_a_drained_region_has_no_endpoints(gateway: Synthesis, tmp_path: Path) -> None:
    """Its export and its internal address stay: only selectors of Services change, and pods get another Service."""
    drained = changed(tmp_path, {"number: 8": "number: 8\n    drained: true"})
    labels = drained.object("osaka", "Deployment", SERVICE)["spec"]["template"]["metadata"]["labels"]
    selector = drained.object("osaka", "Service", SERVICE)["spec"]["selector"]
    assert not selector.items() <= labels.items()
    (added,) = set(drained.addresses()) ^ set(gateway.addresses())
    assert "_drained-service_" in added
    before = {address: one for address, _, one in kubernetes_objects(gateway.stacks["ingress"])}
    after = kubernetes_objects(drained.stacks["ingress"])
    different = [
        (region, one["kind"]) for address, region, one in after if address in before and before[address] != one
    ]
    assert different == [("osaka", "Service"), ("osaka", "Service")]


def test_objects_of_the_load_balancer_are_only_in_the_config_cluster(gateway: Synthesis) -> None:
    kinds = {"HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy"}
    for cluster, expected in (("tokyo", kinds), ("osaka", set())):
        assert {one["kind"] for one in gateway.objects(cluster)} & kinds == expected
    assert gateways(gateway).keys() == {"external", "internal"}
    assert not [one for one in gateway.objects("osaka", "Gateway") if one["apiVersion"] == GATEWAY_API]
    assert not [one for one in gateway.objects() if one["kind"].startswith("MultiCluster")]


def test_the_external_gateway(gateway: Synthesis) -> None:
    one = gateways(gateway)["external"]
    assert one["metadata"]["namespace"] == NAMESPACE
    assert one["spec"]["gatewayClassName"] == "gke-l7-global-external-managed-mc"
    assert one["spec"]["addresses"] == [
        {"type": "NamedAddress", "value": "${google_compute_global_address.gateway-address.name}"}
    ]
    assert gateway.one("ingress", "google_compute_global_address")["name"] == "matt-gateway"
    listeners = {listener["name"]: (listener["protocol"], listener["port"]) for listener in one["spec"]["listeners"]}
    assert listeners == {"http": ("HTTP", 80), "https": ("HTTPS", 443)}
    certificate_map = one["metadata"]["annotations"]["networking.gke.io/certmap"]
    assert certificate_map.startswith("${google_certificate_manager_certificate_map.certificate-map_")


def test_the_internal_gateway(gateway: Synthesis) -> None:
    one = gateways(gateway)["internal"]
    assert one["spec"]["gatewayClassName"] == "gke-l7-cross-regional-internal-managed-mc"
    assert one["spec"]["addresses"] == [
        {"type": f"networking.gke.io/ephemeral-ipv4-address/{region}", "value": region}
        for region in ("asia-northeast1", "asia-northeast2")
    ]
    assert [listener["port"] for listener in one["spec"]["listeners"]] == [80]
    assert "networking.gke.io/certmap" not in one["metadata"]["annotations"]


def test_every_route_leads_to_the_gateways(gateway: Synthesis) -> None:
    """Not to services: mutual TLS, default deny and locality begin at the gateways."""
    found = routes(gateway)
    assert found.keys() == {"external", "internal", "external-redirect"}
    for name in ("external", "internal"):
        (parent,) = found[name]["parentRefs"]
        assert (parent["kind"], parent["name"]) == ("Gateway", name)
        assert found[name]["hostnames"] == ["shop.example.com", "www.shop.example.com"]
        (rule,) = found[name]["rules"]
        assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
        assert rule["backendRefs"] == [{**IMPORT, "port": 80, "weight": 1}]
    assert found["external"]["parentRefs"][0]["sectionName"] == "https"
    assert "sectionName" not in found["internal"]["parentRefs"][0]


def test_http_is_redirected(gateway: Synthesis) -> None:
    redirect = routes(gateway)["external-redirect"]
    assert redirect["parentRefs"][0]["sectionName"] == "http"
    (rule,) = redirect["rules"]
    assert rule["filters"] == [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]
    assert "backendRefs" not in rule


def test_plain_http_disables_the_redirect(tmp_path: Path) -> None:
    found = routes(changed(tmp_path, {"  api: gateway\n": "  api: gateway\n  plain_http: true\n"}))
    assert found.keys() == {"external", "internal"}
    assert "sectionName" not in found["external"]["parentRefs"][0]  # both listeners


def test_without_domains_there_is_no_https(both: Synthesis) -> None:
    one = gateways(both)["external"]
    assert [listener["name"] for listener in one["spec"]["listeners"]] == ["http"]
    assert "networking.gke.io/certmap" not in one["metadata"]["annotations"]
    assert "hostnames" not in routes(both)["external"]
    assert both.objects("tokyo", "GCPGatewayPolicy") == []
    for kind in both.stacks["ingress"]["resource"]:
        assert not kind.startswith(("google_certificate_manager", "google_compute_ssl", "google_compute_managed"))


def test_policies_of_the_backends(external: Synthesis, gateway: Synthesis) -> None:
    health = external.object("tokyo", "HealthCheckPolicy", SERVICE)["spec"]
    assert health["targetRef"] == IMPORT
    assert (health["default"]["checkIntervalSec"], health["default"]["timeoutSec"]) == (5, 5)
    check = health["default"]["config"]
    assert check["type"] == "HTTP"
    assert check["httpHealthCheck"]["requestPath"] == "/healthz/ready"
    assert (check["httpHealthCheck"]["portSpecification"], check["httpHealthCheck"]["port"]) == (
        "USE_FIXED_PORT",
        15021,
    )
    backend = external.object("tokyo", "GCPBackendPolicy", SERVICE)["spec"]
    assert backend["targetRef"] == IMPORT
    assert backend["default"]["securityPolicy"] == "edge"
    assert backend["default"]["logging"]["enabled"] is True
    assert backend["default"]["timeoutSec"] == 61, "the gateways respond before the load balancer does"
    hook = external.pod("tokyo", SERVICE)["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 25 <= backend["default"]["connectionDraining"]["drainingTimeoutSec"] < hook
    default = gateway.object("tokyo", "GCPBackendPolicy", SERVICE)["spec"]["default"]
    assert {"securityPolicy", "timeoutSec"}.isdisjoint(default)


def test_old_tls_is_refused(gateway: Synthesis) -> None:
    policy = gateway.object("tokyo", "GCPGatewayPolicy", "external")["spec"]
    assert policy["targetRef"]["name"] == "external"
    ssl_policy = gateway.one("ingress", "google_compute_ssl_policy")
    assert (ssl_policy["profile"], ssl_policy["min_tls_version"]) == ("MODERN", "TLS_1_2")
    assert policy["default"]["sslPolicy"].startswith("${google_compute_ssl_policy.certificates_policy_")


def test_every_domain_has_a_certificate_by_dns(gateway: Synthesis) -> None:
    """The authorization is a CNAME record, so that a certificate is ACTIVE before the domain moves here."""
    resources = {
        kind: gateway.all("ingress", f"google_certificate_manager_{kind}")
        for kind in ("dns_authorization", "certificate", "certificate_map_entry")
    }
    domains = ["shop.example.com", "www.shop.example.com"]
    assert [one["domain"] for one in resources["dns_authorization"].values()] == domains
    authorizations = [
        f"${{google_certificate_manager_dns_authorization.{one}.id}}" for one in resources["dns_authorization"]
    ]
    assert [one["managed"] for one in resources["certificate"].values()] == [
        {"domains": [domain], "dns_authorizations": [authorization]}
        for domain, authorization in zip(domains, authorizations, strict=True)
    ]
    assert [one["hostname"] for one in resources["certificate_map_entry"].values()] == domains
    certificates = [f"${{google_certificate_manager_certificate.{one}.id}}" for one in resources["certificate"]]
    assert [one["certificates"] for one in resources["certificate_map_entry"].values()] == [
        [one] for one in certificates
    ]
    assert gateway.all("ingress", "google_compute_managed_ssl_certificate") == {}


def test_the_load_balancer_is_deleted_before_what_it_uses(gateway: Synthesis) -> None:
    """And before the exports: its endpoint groups are theirs."""
    for name in ("external", "internal"):
        needed = set(gateway.one("ingress", "kubernetes_manifest", f"multi-cluster-gateway_{name}_")["depends_on"])
        assert {one.partition(".")[0] for one in needed} >= {
            "google_compute_global_address",
            "google_compute_ssl_policy",
            "google_certificate_manager_certificate_map_entry",
        }
        assert len([one for one in needed if "_exported-gateway_export_" in one]) == 2
        route = gateway.one("ingress", "kubernetes_manifest", f"multi-cluster-gateway_{name}-route")
        assert any(f"multi-cluster-gateway_{name}_" in one for one in route["depends_on"])


def test_destruction_waits_for_the_load_balancers(both: Synthesis, reference: Synthesis) -> None:
    """With local scripts, each API has a wait of its own, so that one can go while the other stays."""
    scripts = both.all("ingress", "null_resource")
    assert scripts["cleanup"] == reference.all("ingress", "null_resource")["cleanup"]
    wait = scripts["gateway-cleanup"]
    assert wait["for_each"] == {"gkemcg1": {"controller": "gkemcg1", "vpc": "matt-vpc"}}
    *exports, address = wait["depends_on"]
    assert ["_exported-gateway_export_" in one for one in exports] == [True, True]
    assert address == "google_compute_global_address.gateway-address"
    external = both.one("ingress", "kubernetes_manifest", "multi-cluster-gateway_external_")
    assert "null_resource.gateway-cleanup" in external["depends_on"]


def test_its_deletion_may_take_long(gateway: Synthesis) -> None:
    for resource in gateway.all("ingress", "kubernetes_manifest").values():
        manifest = resource["manifest"]
        if manifest["kind"] == "ServiceExport" or (manifest["apiVersion"], manifest["kind"]) == (
            GATEWAY_API,
            "Gateway",
        ):
            assert resource["timeouts"] == {"delete": "20m"}
        elif manifest["kind"] == "Gateway":
            assert "timeouts" not in resource


def test_every_deploy_restores_what_the_load_balancer_serves(gateway: Synthesis) -> None:
    kinds = {"HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy", "ServiceExport"}
    found = set()
    for resource in gateway.all("ingress", "kubernetes_manifest").values():
        manifest = resource["manifest"]
        if manifest["apiVersion"] == GATEWAY_API or manifest["kind"] in kinds:
            assert resource["computed_fields"] == ["metadata"]
            found.add(manifest["kind"])
    assert found == kinds | {"Gateway"}


def test_proxies_of_the_internal_load_balancer(gateway: Synthesis, external: Synthesis) -> None:
    subnets = [
        one for one in gateway.all("network", "google_compute_subnetwork").values() if one["name"] == "matt-proxies"
    ]
    assert {one["region"]: (one["ip_cidr_range"], one["purpose"], one["role"]) for one in subnets} == {
        "asia-northeast1": ("10.65.0.0/23", "GLOBAL_MANAGED_PROXY", "ACTIVE"),
        "asia-northeast2": ("10.65.16.0/23", "GLOBAL_MANAGED_PROXY", "ACTIVE"),
    }
    rule = gateway.by_name("network", "google_compute_firewall")["matt-vpc-internal-load-balancer"]
    assert rule["source_ranges"] == ["10.65.0.0/23", "10.65.16.0/23"]
    assert rule["allow"] == [{"ports": ["80", "15021"], "protocol": "tcp"}]
    assert rule["target_tags"] == ["matt-osaka-node", "matt-tokyo-node"]
    assert "matt-vpc-internal-load-balancer" not in external.by_name("network", "google_compute_firewall")
    assert "matt-proxies" not in external.by_name("network", "google_compute_subnetwork")


def test_default_deny_admits_the_proxies(gateway: Synthesis, external: Synthesis) -> None:
    google = ["130.211.0.0/22", "35.191.0.0/16"]
    for synthesis, proxies in ((gateway, ["10.65.0.0/23", "10.65.16.0/23"]), (external, [])):
        for cluster in CLUSTERS:
            policy = synthesis.object(cluster, "AuthorizationPolicy", SERVICE)
            (rule,) = policy["spec"]["rules"]
            assert rule["from"][0]["source"]["ipBlocks"] == [*google, *proxies]


def test_outputs(gateway: Synthesis, both: Synthesis, tmp_path: Path) -> None:
    def outputs(synthesis: Synthesis) -> dict[str, Any]:
        return {name: one["value"] for name, one in synthesis.stacks["ingress"]["output"].items()}

    own = "${google_compute_global_address.gateway-address.address}"
    found = outputs(gateway)
    assert (found["vip"], found["url"]) == (own, "https://shop.example.com/hello")
    assert "gateway-vip" not in found
    records = found["dns-records"]
    assert records[:2] == [f"shop.example.com. A {own}", f"www.shop.example.com. A {own}"]
    assert len(records) == 4
    assert all("dns_resource_record[0].data}" in one for one in records[2:])
    found = outputs(both)
    assert found["vip"] == "${google_compute_global_address.address.address}"
    assert found["gateway-vip"] == own
    internal = outputs(changed(tmp_path, {"exposure: both": "exposure: internal\n  plain_http: true"}))
    assert not {"vip", "url", "gateway-vip", "dns-records"} & internal.keys()  # the controller chooses its addresses


@pytest.mark.parametrize("domains", ["", "domains: [shop.example.com]\n  "])
def test_the_migration_adds_and_later_deletes(tmp_path: Path, domains: str) -> None:
    """No resource of either load balancer changes while the other comes or goes."""

    def with_api(api: str) -> Synthesis:
        folder = tmp_path / api
        folder.mkdir()
        return sample_with({"ingress:\n": f"ingress:\n  {domains}api: {api}\n"}, folder)

    before, during, after = (with_api(one) for one in ("multi-cluster-ingress", "both", "gateway"))
    own, all_, others = (set(one.addresses()) for one in (before, during, after))
    assert all_ > own
    assert all_ > others
    for one in (before, after):
        for kind, resources in one.stacks["ingress"]["resource"].items():
            for name, resource in resources.items():
                if (one is before, name) != (False, "cleanup"):  # the instance of Multi Cluster Ingress is deleted
                    assert masked(during.stacks["ingress"]["resource"][kind][name]) == masked(resource), name
