"""Stack `ingress`: the load balancer, gateways and services, as the API servers get them."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.kinds import RESTORED_KINDS
from tests.kubelet import container_environment
from tests.synthesized import REFERENCE, Synthesis, environment_of, minimal_configuration, sample_with, synthesize

CLUSTERS = ("tokyo", "osaka")


def kinds(synthesis: Synthesis, cluster: str) -> set[str]:
    return {f"{one['kind']}/{one['metadata']['name']}" for one in synthesis.objects(cluster)}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateway_in_every_cluster(reference: Synthesis, cluster: str) -> None:
    accounts, pods = ("ServiceAccount", "Role", "RoleBinding"), ("HorizontalPodAutoscaler", "PodDisruptionBudget")
    for kind in (*accounts, "Deployment", *pods):
        gateway = reference.object(cluster, kind, "istio-ingressgateway")
        assert gateway["metadata"]["namespace"] == "istio-gateway"
    labels = {"app": "istio-ingressgateway", "istio": "ingressgateway"}
    deployment = reference.object(cluster, "Deployment", "istio-ingressgateway")["spec"]
    assert deployment["selector"]["matchLabels"] == labels
    assert labels.items() <= deployment["template"]["metadata"]["labels"].items()
    # The autoscaler sets it.
    assert "replicas" not in deployment


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("namespace", ["istio-gateway", "sample"])
def test_namespaces_have_the_revision(reference: Synthesis, cluster: str, namespace: str) -> None:
    labels = reference.object(cluster, "Namespace", namespace)["metadata"]["labels"]
    assert labels == {"istio.io/rev": "asm-managed-stable"}


def test_multi_cluster_objects_are_only_in_the_config_cluster(reference: Synthesis) -> None:
    names = {
        "MultiClusterIngress/istio-ingressgateway",
        "MultiClusterService/istio-ingressgateway",
        "BackendConfig/ingress-backendconfig",
    }
    assert names <= kinds(reference, "tokyo")
    assert not names & kinds(reference, "osaka")


def test_multi_cluster_service(reference: Synthesis) -> None:
    service = reference.object("tokyo", "MultiClusterService", "istio-ingressgateway")
    backend = service["metadata"]["annotations"]["cloud.google.com/backend-config"]
    assert json.loads(backend) == {"default": "ingress-backendconfig"}
    spec = service["spec"]["template"]["spec"]
    assert {(one["name"], one["port"]) for one in spec["ports"]} == {
        ("status-port", 15021),
        ("http2", 80),
        ("https", 443),
    }
    assert spec["selector"] == {"app": "istio-ingressgateway", "istio": "ingressgateway"}


def test_health_check(reference: Synthesis) -> None:
    backend = reference.object("tokyo", "BackendConfig", "ingress-backendconfig")
    check = backend["spec"]["healthCheck"]
    assert check.items() >= {"type": "HTTP", "requestPath": "/healthz/ready", "port": 15021}.items()
    assert check["timeoutSec"] <= check["checkIntervalSec"] < 15  # Google's default


def test_multi_cluster_ingress_serves_on_the_reserved_address(reference: Synthesis) -> None:
    ingress = reference.object("tokyo", "MultiClusterIngress", "istio-ingressgateway")
    assert ingress["spec"]["template"]["spec"]["backend"] == {"serviceName": "istio-ingressgateway", "servicePort": 80}
    annotations = ingress["metadata"]["annotations"]
    assert annotations.keys() == {"networking.gke.io/static-ip", "multi-region-mesh/manifest"}
    assert annotations["networking.gke.io/static-ip"] == "${google_compute_global_address.address.address}"
    assert reference.one("ingress", "google_compute_global_address")["name"] == "matt-ingress"


def test_plain_http_has_no_https_resources(reference: Synthesis) -> None:
    assert "FrontendConfig/ingress-frontendconfig" not in kinds(reference, "tokyo")
    for kind in ("google_compute_managed_ssl_certificate", "google_compute_ssl_policy"):
        assert reference.all("ingress", kind) == {}
    backend = reference.object("tokyo", "BackendConfig", "ingress-backendconfig")
    assert set(backend["spec"]) == {"connectionDraining", "healthCheck"}


def test_every_domain_has_its_own_certificate(three_regions: Synthesis) -> None:
    certificates = three_regions.all("ingress", "google_compute_managed_ssl_certificate")
    domains = [one["managed"]["domains"] for one in certificates.values()]
    assert domains == [["shop.example.com"], ["www.shop.example.com"]]
    # A changed domain gets a new certificate before the old one is deleted.
    assert len({one["name"] for one in certificates.values()}) == 2
    assert all(one["lifecycle"]["create_before_destroy"] for one in certificates.values())
    ingress = three_regions.object("iowa", "MultiClusterIngress", "istio-ingressgateway")
    named = ingress["metadata"]["annotations"]["networking.gke.io/pre-shared-certs"].split(",")
    assert named == [f"${{google_compute_managed_ssl_certificate.{address}.name}}" for address in certificates]


def test_http_is_redirected_and_old_tls_refused(three_regions: Synthesis) -> None:
    annotations = three_regions.object("iowa", "MultiClusterIngress", "istio-ingressgateway")["metadata"]["annotations"]
    frontend = three_regions.object("iowa", "FrontendConfig", annotations["networking.gke.io/frontend-config"])
    assert frontend["metadata"]["namespace"] == "istio-gateway"
    assert frontend["spec"]["redirectToHttps"]["enabled"] is True
    policy = three_regions.one("ingress", "google_compute_ssl_policy")
    assert (policy["profile"], policy["min_tls_version"]) == ("MODERN", "TLS_1_2")
    assert frontend["spec"]["sslPolicy"].startswith("${google_compute_ssl_policy.")


def test_plain_http_disables_the_redirect(tmp_path: Path) -> None:
    both = sample_with({"ingress:\n": "ingress:\n  domains: [shop.example.com]\n"}, tmp_path)  # and plain_http: true
    frontend = both.object("tokyo", "FrontendConfig", "ingress-frontendconfig")
    assert frontend["spec"]["redirectToHttps"]["enabled"] is False
    assert both.stacks["ingress"]["output"]["url"]["value"] == "https://shop.example.com/hello"


def test_certificates_and_ssl_policies_are_deleted_after_the_load_balancer(three_regions: Synthesis) -> None:
    """They can't be deleted while it uses them, so that their destruction waits for its deletion."""
    waits_for = three_regions.one("ingress", "null_resource", "cleanup")["depends_on"]
    kinds_waited_for = {one.partition(".")[0] for one in waits_for}
    assert kinds_waited_for == {
        "google_compute_global_address",
        "google_compute_managed_ssl_certificate",
        "google_compute_ssl_policy",
    }
    assert len(waits_for) == 4
    frontend = three_regions.one("ingress", "kubernetes_manifest", "frontend-config")
    assert any(one.startswith("null_resource.cleanup") for one in frontend["depends_on"])


def test_cloud_armor_protects_the_gateways(three_regions: Synthesis) -> None:
    backend = three_regions.object("iowa", "BackendConfig", "ingress-backendconfig")
    assert backend["spec"]["securityPolicy"] == {"name": "shop-edge"}
    assert backend["spec"]["healthCheck"]["port"] == 15021


def test_the_load_balancers_deletion_may_take_long(reference: Synthesis) -> None:
    controlled = {
        name: resource
        for name, resource in reference.all("ingress", "kubernetes_manifest").items()
        if resource["manifest"]["kind"].startswith("MultiCluster")
    }
    assert len(controlled) == 2
    for resource in controlled.values():
        assert resource["timeouts"] == {"delete": "20m"}


def test_destruction_waits_for_the_load_balancers_deletion(reference: Synthesis) -> None:
    """The ingress objects depend on the wait for their cloud resources, which is then destroyed after them."""
    backend = reference.one("ingress", "kubernetes_manifest", "backend-config")
    assert any(one.startswith("null_resource.cleanup") for one in backend["depends_on"])
    service = reference.one("ingress", "kubernetes_manifest", "tokyo_multi-cluster-ingress_service")
    assert any("backend-config" in one for one in service["depends_on"])
    # The address can't be released while a forwarding rule uses it: it is deleted after the wait.
    cleanup = reference.one("ingress", "null_resource", "cleanup")
    assert cleanup["depends_on"] == ["google_compute_global_address.address"]


def test_another_config_cluster_has_other_addresses(reference: Synthesis, tmp_path: Path) -> None:
    """With the same address in terraform, the objects in the old cluster would be orphaned."""
    moved = sample_with({"config_cluster: tokyo": "config_cluster: osaka"}, tmp_path)
    here, there = (
        {name for name, one in synthesis.all("ingress", "kubernetes_manifest").items() if "multi-cluster" in name}
        for synthesis in (reference, moved)
    )
    assert len(here) == len(there) == 3
    assert not here & there


def test_a_new_version_is_created_before_the_old_one_is_deleted(reference: Synthesis) -> None:
    for part in ("helloworld_deployment", "gateway_deployment"):
        manifest = reference.one(
            "ingress", "kubernetes_manifest", f"tokyo_{'service-' * part.startswith('hello')}{part}"
        )
        by_name_first = manifest.get("lifecycle", {}).get("create_before_destroy", False)
        assert by_name_first == part.startswith("hello")


def test_the_demo_runs_in_every_region_by_default(tmp_path: Path) -> None:
    text = REFERENCE.read_text(encoding="utf-8").partition("\ndemo:")[0]
    everywhere = synthesize(environment_of(text), tmp_path)
    for cluster in CLUSTERS:
        assert f"Deployment/helloworld-{cluster}" in kinds(everywhere, cluster)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateway_and_route_of_the_demo(reference: Synthesis, cluster: str) -> None:
    gateway = reference.object(cluster, "Gateway", "helloworld-gateway")["spec"]
    assert gateway["selector"] == {"istio": "ingressgateway"}
    assert gateway["servers"] == [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    route = reference.object(cluster, "VirtualService", "helloworld")["spec"]
    assert route["gateways"] == ["helloworld-gateway"]
    (http,) = route["http"]
    assert http["match"] == [{"uri": {"exact": "/hello"}}]
    destination = http["route"][0]["destination"]
    assert destination == {"host": "helloworld.sample.svc.cluster.local", "port": {"number": 5000}}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_destination_rule_configures_failover(reference: Synthesis, cluster: str) -> None:
    rule = reference.object(cluster, "DestinationRule", "helloworld")["spec"]
    assert rule["host"] == "helloworld.sample.svc.cluster.local"
    assert rule["trafficPolicy"]["connectionPool"] == {"tcp": {"connectTimeout": "1s"}}
    assert rule["trafficPolicy"]["outlierDetection"] == {
        "consecutive5xxErrors": 5,
        "interval": "10s",
        "baseEjectionTime": "30s",
        # The default of 10 % ejects nothing in a mesh this small.
        "maxEjectionPercent": 100,
    }


def test_each_region_runs_its_version(reference: Synthesis) -> None:
    for cluster, version, other in (("tokyo", "v1", "v2"), ("osaka", "v2", "v1")):
        pod = reference.object(cluster, "Deployment", f"helloworld-{version}")["spec"]["template"]
        assert pod["metadata"]["labels"].items() >= {"app": "helloworld", "version": version}.items()
        assert {"name": "SERVICE_VERSION", "value": version} in pod["spec"]["containers"][0]["env"]
        assert f"Deployment/helloworld-{other}" not in kinds(reference, cluster)
        service = reference.object(cluster, "Service", "helloworld")["spec"]
        assert service["ports"][0]["port"] == 5000
        assert service["selector"] == {"app": "helloworld"}
        assert "Deployment/sleep" in kinds(reference, cluster)


def test_step_a(tmp_path: Path) -> None:
    """Without DestinationRule and ingress, requests inside the mesh reach both versions."""
    changes = {"\ndemo:\n": "\ndemo:\n  failover: false\n", "ingress:\n": "ingress:\n  enabled: false\n"}
    step = sample_with(changes, tmp_path)
    found = kinds(step, "tokyo") | kinds(step, "osaka")
    assert "Deployment/helloworld-v1" in found
    assert not [one for one in found if one.startswith(("DestinationRule", "MultiCluster", "Gateway", "Virtual"))]
    assert "google_compute_global_address" not in step.stacks["ingress"]["resource"]
    # Its instance is removed, which runs the cleanup; the resource has to stay for that.
    assert step.one("ingress", "null_resource", "cleanup")["for_each"] == {}


def test_step_b(tmp_path: Path, reference: Synthesis) -> None:
    """The DestinationRule is the only difference."""
    without = sample_with({"\ndemo:\n": "\ndemo:\n  failover: false\n"}, tmp_path)
    for cluster in CLUSTERS:
        assert kinds(reference, cluster) - kinds(without, cluster) == {"DestinationRule/helloworld"}
    difference = set(reference.addresses()) - set(without.addresses())
    assert len(difference) == 2
    assert all("destination-rule" in one for one in difference)


def test_without_the_demo(tmp_path: Path) -> None:
    step = sample_with({"\ndemo:\n": "\ndemo:\n  enabled: false\n"}, tmp_path)
    for cluster in CLUSTERS:
        assert not [one for one in kinds(step, cluster) if "helloworld" in one or "sleep" in one]
        assert "Deployment/istio-ingressgateway" in kinds(step, cluster)


def test_a_service_of_the_user(three_regions: Synthesis) -> None:
    for cluster, version, replicas in (("tokyo", "v4", 3), ("iowa", "v5", 6)):
        deployment = three_regions.object(cluster, "Deployment", f"checkout-{version}")
        assert deployment["spec"]["replicas"] == replicas
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["ports"] == [
            {"name": "http", "containerPort": 8080},
            {"name": "admin", "containerPort": 9090},
            {"name": "events", "containerPort": 9091},
            {"name": "cache", "containerPort": 11211},
        ]
        assert three_regions.object(cluster, "DestinationRule", "checkout")["metadata"]["namespace"] == "apps"


def test_text_reaches_the_cluster_unchanged(three_regions: Synthesis) -> None:
    """Text with the syntax of terraform's templates and of the kubelet's references is data."""
    written = 'price: ${PRICE:-0} %{ if true } $HOME `id` "quoted"'
    raw = json.dumps(three_regions.stacks["ingress"])
    assert raw.count(json.dumps(written.replace("$", "$$").replace("${", "$${").replace("%{", "%%{"))) == 2
    (container,) = three_regions.pod("tokyo", "checkout-v4")["containers"]
    assert container_environment(container["env"])["GREETING"] == written
    # The API server drops empty values, which the provider does not support.
    assert {"name": "NOTHING"} in container["env"]


def test_a_retired_region_keeps_only_its_provider(three_regions: Synthesis) -> None:
    aliases = {one["alias"] for one in three_regions.stacks["ingress"]["provider"]["kubernetes"]}
    assert aliases == {"tokyo", "iowa", "belgium"}
    assert three_regions.objects("belgium") == []
    assert set(three_regions.one("mesh", "null_resource", "install")["for_each"]) == {"tokyo", "iowa"}


def test_no_token_in_state_or_plan(reference: Synthesis, three_regions: Synthesis) -> None:
    for provider in reference.stacks["ingress"]["provider"]["kubernetes"]:
        assert "token" not in provider
        (plugin,) = provider["exec"]
        assert plugin["command"] == "gke-gcloud-auth-plugin"
    for provider in three_regions.stacks["ingress"]["provider"]["kubernetes"]:
        assert provider["token"].startswith("${ephemeral.")
        assert "exec" not in provider
    # The caller creates the token: an account can't create tokens for itself.
    token = three_regions.stacks["ingress"]["ephemeral"]["google_service_account_access_token"]["kubernetes"]
    (caller,) = [one for one in three_regions.stacks["ingress"]["provider"]["google"] if one.get("alias") == "caller"]
    assert token["provider"] == "google.caller"
    assert "impersonate_service_account" not in caller
    for synthesis in (reference, three_regions):
        for content in synthesis.stacks.values():
            assert "google_client_config" not in json.dumps(content)


def test_outputs(reference: Synthesis, three_regions: Synthesis) -> None:
    outputs: dict[str, Any] = {name: one["value"] for name, one in reference.stacks["ingress"]["output"].items()}
    assert outputs["vip"] == "${google_compute_global_address.address.address}"
    assert outputs["url"] == "http://${google_compute_global_address.address.address}/hello"
    assert "dns-records" not in outputs
    https = {name: one["value"] for name, one in three_regions.stacks["ingress"]["output"].items()}
    assert https["url"] == "https://shop.example.com/hello"
    assert https["dns-records"] == [
        "shop.example.com. A ${google_compute_global_address.address.address}",
        "www.shop.example.com. A ${google_compute_global_address.address.address}",
    ]
    assert outputs["cluster-osaka"] == "matt-osaka-cluster-1"
    assert re.fullmatch(
        "gcloud container clusters get-credentials matt-osaka-cluster-1 --location asia-northeast2 "
        "--project my-mesh-project",
        outputs["connect-osaka"],
    )
    assert three_regions.stacks["ingress"]["output"]["connect-iowa"]["value"].endswith(" --dns-endpoint")


def test_deployments_are_waited_for(reference: Synthesis) -> None:
    """Of a service, by the disruption budget of its template's pods; of gateway and client, by the rollout."""
    manifests = reference.all("ingress", "kubernetes_manifest")
    waited = [name for name, one in manifests.items() if one.get("wait") == {"rollout": True}]
    for name, resource in manifests.items():
        manifest = resource["manifest"]
        if manifest["kind"] != "Deployment":
            continue
        budgets = [one for one in manifests.values() if f"kubernetes_manifest.{name}" in one.get("depends_on", [])]
        assert (name in waited) == (not budgets)
        if name in waited:  # else a rollout that fails leaves an object that is in no state
            minutes = {int(one.removesuffix("m")) for one in resource["timeouts"].values()}
            assert max(minutes) * 60 < manifest["spec"]["progressDeadlineSeconds"]
        for budget in budgets:
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            assert budget["manifest"]["spec"]["selector"]["matchLabels"] == labels
            assert labels["multi-region-mesh/template"] in budget["manifest"]["metadata"]["name"]
            assert budget["wait"] == {"fields": {"status.currentHealthy": "^1$"}}
    assert len(waited) == 4


def test_a_change_of_the_count_restarts_no_pods(reference: Synthesis, tmp_path: Path) -> None:
    """And one of the environment does, under a new label of the template."""

    def template(synthesis: Synthesis) -> dict[str, str]:
        labels: dict[str, str] = synthesis.object("tokyo", "Deployment", "shop-v1")["spec"]["template"]["metadata"][
            "labels"
        ]
        return labels

    def changed(name: str, text: str) -> Synthesis:
        service = "\nservices:\n  shop: {image: i, port: 8080, " + text + "}\n"
        folder = tmp_path / name
        folder.mkdir()
        return sample_with({"\ndemo:\n": service + "\ndemo:\n"}, folder)

    one, more, other = changed("one", "replicas: 1"), changed("more", "replicas: 2"), changed("other", "env: {A: b}")
    assert template(one) == template(more) != template(other)


def test_every_object_carries_its_manifest(three_regions: Synthesis) -> None:
    """By which the metadata changes with whatever changes, and `mesh status` knows what a deploy has applied."""
    manifests = three_regions.all("ingress", "kubernetes_manifest")
    assert len(manifests) > 30
    for resource in manifests.values():
        applied = copy.deepcopy(resource["manifest"])
        annotations = applied["metadata"]["annotations"]
        text = annotations.pop("multi-region-mesh/manifest")
        if not annotations:
            del applied["metadata"]["annotations"]
        assert json.loads(text) == applied
        autoscaled = applied["kind"] == "Deployment" and "replicas" not in applied["spec"]
        assert resource["field_manager"] == {
            "force_conflicts": True,
            **({"name": "multi-region-mesh"} if autoscaled else {}),
        }


def test_security_is_restored_by_every_deploy(three_regions: Synthesis) -> None:
    """A computed field shows no drift. Whatever else a controller or an operator writes is left alone."""
    seen = set()
    for resource in three_regions.all("ingress", "kubernetes_manifest").values():
        manifest = resource["manifest"]
        fields = sorted(manifest.keys() - {"apiVersion", "kind", "metadata"})
        restored = manifest["kind"] in RESTORED_KINDS
        assert resource["computed_fields"] == ["metadata", *([] if restored else fields)]
        seen.add(restored)
    assert seen == {True, False}


@pytest.mark.parametrize("cluster", ["tokyo", "osaka"])
def test_every_deploy_restores_the_labels_of_namespaces(reference: Synthesis, cluster: str) -> None:
    held = {
        one["metadata"]["name"]: one["labels"]
        for one in reference.all("ingress", "kubernetes_labels").values()
        if one["provider"] == f"kubernetes.{cluster}" and one["force"] and one["field_manager"] == "multi-region-mesh"
    }
    assert held == {
        one["metadata"]["name"]: one["metadata"]["labels"] for one in reference.objects(cluster, "Namespace")
    }


def test_objects_wait_for_their_namespace(reference: Synthesis) -> None:
    manifests = reference.all("ingress", "kubernetes_manifest")

    def reaches_namespace(name: str) -> bool:
        """Return whether an object waits for its namespace's labels, without which pods get no sidecar."""
        before = [one.partition(".") for one in manifests[name].get("depends_on", [])]
        manifest = manifests[name]["manifest"]
        # The mesh creates istio-system, and the stack before waits for the mesh.
        there = manifest["kind"] == "Namespace" or manifest["metadata"].get("namespace") == "istio-system"
        labels = any(kind == "kubernetes_labels" for kind, *_ in before)
        return there or labels or any(reaches_namespace(one) for *_, one in before if one in manifests)

    assert len(manifests) > 30
    assert all(reaches_namespace(name) for name in manifests)


def test_services_get_requests_only_while_they_listen(reference: Synthesis) -> None:
    """Without these, requests failed whenever pods were added or removed: `make lab`."""
    (container,) = reference.pod("tokyo", "helloworld-v1")["containers"]
    assert container["readinessProbe"] == {"tcpSocket": {"port": 5000}, "periodSeconds": 2}
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


@pytest.mark.parametrize("cluster", ["tokyo", "osaka"])
def test_gateways_drain(reference: Synthesis, cluster: str) -> None:
    """A terminating gateway accepts requests until the load balancer has drained its endpoint."""
    pod = reference.pod(cluster, "istio-ingressgateway")
    (container,) = pod["containers"]
    hook = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    (backend,) = reference.objects("tokyo", "BackendConfig")
    draining = backend["spec"]["connectionDraining"]["drainingTimeoutSec"]
    assert 25 <= hook <= 60
    assert draining + 10 < hook, "the endpoint is taken out first"
    assert hook + 5 < pod["terminationGracePeriodSeconds"]


def test_services_have_a_disruption_budget(tmp_path: Path) -> None:
    data = minimal_configuration(a=0, b=1)
    pair = {"a": {"version": "v1", "replicas": 2}, "b": {"version": "v2", "replicas": 1}}
    data["services"] = {"shop": {"image": "i:1", "port": 80, "regions": pair}}
    found = synthesize(environment_of(yaml.safe_dump(data)), tmp_path)
    for region, version in (("a", "v1"), ("b", "v2")):
        budgets = found.objects(region, "PodDisruptionBudget")
        (budget,) = (one for one in budgets if one["metadata"]["name"].startswith(f"shop-{version}-"))
        assert budget["spec"]["maxUnavailable"] == 1
        labels = found.object(region, "Deployment", f"shop-{version}")["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"] == labels
