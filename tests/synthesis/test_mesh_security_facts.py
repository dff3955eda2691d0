"""Mutual TLS, authorization and pod security, as the API servers get them."""

from pathlib import Path
from typing import Any

import pytest

from config.authorization import Caller, authorized_callers
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, environment_of, load_without_variables, sample_with

CLUSTERS = ("tokyo", "osaka")
GATEWAY = "*/ns/istio-gateway/sa/istio-ingressgateway"


def of_kind(synthesis: Synthesis, cluster: str, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return a cluster's objects of a kind by namespace and name."""
    return {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in synthesis.objects(cluster, kind)}


def containers(synthesis: Synthesis) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return each container with its Deployment's name and its pod."""
    deployments = synthesis.objects(kind="Deployment")
    pods = [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in deployments]
    return [(name, pod, container) for name, pod in pods for container in pod["containers"]]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_mutual_tls_is_strict_in_the_whole_mesh(reference: Synthesis, cluster: str) -> None:
    (found,) = of_kind(reference, cluster, "PeerAuthentication").items()
    assert found[0] == ("istio-system", "default")
    assert found[1]["spec"] == {"mtls": {"mode": "STRICT"}}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_whole_mesh_has_a_default_deny_policy(reference: Synthesis, cluster: str) -> None:
    policies = of_kind(reference, cluster, "AuthorizationPolicy")
    assert set(policies) == {
        ("istio-system", "default-deny"),
        ("istio-gateway", "istio-ingressgateway"),
        ("sample", "helloworld"),
    }
    # Without a selector and rules it applies to every workload, and allows nothing.
    assert policies["istio-system", "default-deny"]["spec"] == {"action": "ALLOW", "rules": []}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_only_the_load_balancer_is_authorized_to_call_the_gateways(reference: Synthesis, cluster: str) -> None:
    policy = of_kind(reference, cluster, "AuthorizationPolicy")["istio-gateway", "istio-ingressgateway"]["spec"]
    labels = reference.object(cluster, "Deployment", "istio-ingressgateway")["spec"]["selector"]["matchLabels"]
    assert policy["selector"]["matchLabels"].items() <= labels.items()
    assert policy["action"] == "ALLOW"
    (rule,) = policy["rules"]
    assert rule["from"] == [{"source": {"ipBlocks": ["130.211.0.0/22", "35.191.0.0/16"]}}]
    assert rule["to"] == [{"operation": {"ports": ["80"]}}]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateways_and_the_client_are_authorized_to_call_the_demo(reference: Synthesis, cluster: str) -> None:
    policy = of_kind(reference, cluster, "AuthorizationPolicy")["sample", "helloworld"]["spec"]
    assert policy["selector"] == {"matchLabels": {"app": "helloworld"}}
    assert policy["action"] == "ALLOW"
    (rule,) = policy["rules"]
    assert rule["from"] == [{"source": {"principals": [GATEWAY, "*/ns/sample/sa/sleep"]}}]
    assert rule["to"] == [{"operation": {"ports": ["5000"]}}]
    # These are the accounts of their pods.
    for name, account in (("istio-ingressgateway", "istio-ingressgateway"), ("sleep", "sleep")):
        pod = reference.pod(cluster, name)
        assert pod["serviceAccountName"] == account


def test_a_service_has_its_own_account(three_regions: Synthesis) -> None:
    for cluster, version in (("tokyo", "v4"), ("iowa", "v5")):
        assert ("apps", "checkout") in of_kind(three_regions, cluster, "ServiceAccount")
        deployment = three_regions.object(cluster, "Deployment", f"checkout-{version}")
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "checkout"


def test_authorized_callers_of_a_service(three_regions: Synthesis) -> None:
    policy = of_kind(three_regions, "iowa", "AuthorizationPolicy")["apps", "checkout"]["spec"]
    assert [one["from"] for one in policy["rules"]] == [
        [{"source": {"principals": [GATEWAY]}}],
        [{"source": {"principals": ["*/ns/orders/sa/worker"]}}, {"source": {"namespaces": ["monitoring"]}}],
    ]


def test_services_call_each_other_only_with_allow_from() -> None:
    text = (
        REFERENCE.read_text(encoding="utf-8")
        + """
services:
  cart: {image: i, port: 8080, allow_from: [shop, helloworld]}
  shop: {image: i, port: 8080, namespace: front, routes: [{path: /shop}]}
  alone: {image: i, port: 8080}
"""
    )
    environment = environment_of(text)
    assert authorized_callers(environment, "cart") == (
        Caller("front", "shop", (8080,)),
        Caller("sample", "helloworld", (8080,)),
    )
    assert authorized_callers(environment, "shop") == (Caller("istio-gateway", "istio-ingressgateway", (8080,)),)
    assert authorized_callers(environment, "alone") == ()


def test_a_route_without_ingress_authorizes_no_gateway() -> None:
    environment = load_without_variables(REFERENCE)
    ingress = environment.ingress.model_copy(update={"enabled": False})
    closed = environment.model_copy(update={"ingress": ingress})
    assert authorized_callers(closed, "helloworld") == (Caller("sample", "sleep", (5000,)),)


def test_a_service_without_authorized_callers_has_no_allow_policy(tmp_path: Path) -> None:
    alone = "\nservices:\n  alone: {image: i, port: 8080}\n\ndemo:\n"
    policies = of_kind(sample_with({"\ndemo:\n": alone}, tmp_path), "tokyo", "AuthorizationPolicy")
    assert ("apps", "alone") not in policies
    assert ("istio-system", "default-deny") in policies


def test_default_deny_is_created_after_all_allow_policies(reference: Synthesis) -> None:
    manifests = reference.all("ingress", "kubernetes_manifest")
    for cluster in CLUSTERS:
        policies = {
            f"kubernetes_manifest.{address}"
            for address, one in manifests.items()
            if one["manifest"]["kind"] == "AuthorizationPolicy" and one["provider"] == f"kubernetes.{cluster}"
        }
        (deny,) = [one for one in policies if "default-deny" in one]
        assert set(manifests[deny.partition(".")[2]]["depends_on"]) == policies - {deny}
        assert len(policies) == 3


def test_default_deny_can_be_switched_off(tmp_path: Path) -> None:
    step = sample_with({"mesh:\n": "mesh:\n  default_deny: false\n"}, tmp_path)
    for cluster in CLUSTERS:
        assert of_kind(step, cluster, "AuthorizationPolicy") == {}
        assert len(of_kind(step, cluster, "PeerAuthentication")) == 1


def test_mutual_tls_can_be_permissive(tmp_path: Path) -> None:
    """The policy states the mode, so that an existing strict policy changes."""
    step = sample_with({"mesh:\n": "mesh:\n  mtls: permissive\n"}, tmp_path)
    (policy,) = of_kind(step, "tokyo", "PeerAuthentication").values()
    assert policy["spec"] == {"mtls": {"mode": "PERMISSIVE"}}
    assert len(of_kind(step, "tokyo", "AuthorizationPolicy")) == 3


def test_a_retired_region_has_no_policies(three_regions: Synthesis) -> None:
    assert of_kind(three_regions, "belgium", "PeerAuthentication") == {}
    assert len(of_kind(three_regions, "iowa", "PeerAuthentication")) == 1


@pytest.mark.parametrize("environment", ["reference", "three_regions"])
def test_no_container_is_root_or_gains_privileges(environment: str, request: pytest.FixtureRequest) -> None:
    found = containers(request.getfixturevalue(environment))
    assert len(found) >= 6
    for name, pod, container in found:
        security = {**pod["securityContext"], **container["securityContext"]}
        assert security["runAsNonRoot"] is True, name
        assert security.get("runAsUser") != 0, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["readOnlyRootFilesystem"] is True, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not security.get("privileged", False), name


def test_images_without_a_numeric_user_get_one(reference: Synthesis) -> None:
    """With runAsNonRoot, the kubelet rejects an image without a numeric user."""
    users = {
        name: {**pod["securityContext"], **container["securityContext"]}.get("runAsUser")
        for name, pod, container in containers(reference)
    }
    # The proxy's injection sets the gateway's user; Istio warns of 1337 elsewhere.
    assert users == {"istio-ingressgateway": None, "helloworld-v1": 65534, "helloworld-v2": 65534, "sleep": 65534}


def test_a_service_can_write_only_to_tmp(reference: Synthesis) -> None:
    pod = reference.pod("tokyo", "helloworld-v1")
    assert pod["containers"][0]["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_overrides_of_a_service_affect_no_other(tmp_path: Path) -> None:
    service = "services:\n  old: {image: i, port: 80, root: true, writable_root: true}\n"
    step = sample_with({"\ndemo:\n": f"\n{service}\ndemo:\n"}, tmp_path)
    pod = step.pod("tokyo", "old-v1")
    assert pod["securityContext"]["runAsNonRoot"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    # Other settings stay; and a user other than root can listen on a low port.
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    other = step.pod("tokyo", "helloworld-v1")
    assert other["securityContext"]["runAsNonRoot"] is True
    assert "sysctls" not in other["securityContext"]


def test_an_explicit_user(three_regions: Synthesis) -> None:
    pod = three_regions.pod("iowa", "checkout-v5")
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (1000, 1000)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateways_have_limits_and_are_spread_and_redundant(reference: Synthesis, cluster: str) -> None:
    pod = reference.pod(cluster, "istio-ingressgateway")
    (container,) = pod["containers"]
    assert {*container["resources"]["requests"]} == {*container["resources"]["limits"]} == {"cpu", "memory"}
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert (spread["maxSkew"], spread["whenUnsatisfiable"]) == (1, "DoNotSchedule")
    # A lost zone must not keep pods from being scheduled in other zones.
    assert spread["nodeTaintsPolicy"] == "Honor"
    assert spread["labelSelector"]["matchLabels"] == {"istio": "ingressgateway"}
    scaler = reference.object(cluster, "HorizontalPodAutoscaler", "istio-ingressgateway")["spec"]
    assert scaler["minReplicas"] >= 2
    budget = reference.object(cluster, "PodDisruptionBudget", "istio-ingressgateway")["spec"]
    assert budget["maxUnavailable"] == 1


def test_the_gateway_listens_on_low_ports_without_a_capability(reference: Synthesis) -> None:
    pod = reference.pod("tokyo", "istio-ingressgateway")
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]


def test_an_environment_without_domains_allows_plain_http() -> None:
    """The sample environment has none; the other one has domains."""
    assert load_without_variables(REFERENCE).ingress.plain_http
    assert not load_without_variables(THREE_REGIONS).ingress.plain_http
