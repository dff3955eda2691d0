"""Who may ask whom in the mesh, and what a pod may do: every fact, as the API servers get it."""

from pathlib import Path
from typing import Any

import pytest

from config.authorization import Caller, authorized_callers
from tests.synthesized import REFERENCE, THREE_REGIONS, Synthesis, environment_of, load_without_variables, synthesize

CLUSTERS = ("tokyo", "osaka")
GATEWAY = "*/ns/istio-gateway/sa/istio-ingressgateway"


def of_kind(synthesis: Synthesis, cluster: str, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return a cluster's objects of a kind by namespace and name."""
    return {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one
        for one in synthesis.objects(cluster)
        if one["kind"] == kind
    }


def said(tmp_path: Path, old: str, new: str) -> Synthesis:
    """The reference environment with something else in its file."""
    text = REFERENCE.read_text(encoding="utf-8")
    assert old in text
    return synthesize(environment_of(text.replace(old, new, 1)), tmp_path)


def containers(synthesis: Synthesis) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return each container of ours with its Deployment's name and its pod."""
    pods = [
        (one["metadata"]["name"], one["spec"]["template"]["spec"])
        for one in synthesis.objects()
        if one["kind"] == "Deployment"
    ]
    return [(name, pod, container) for name, pod in pods for container in pod["containers"]]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_mutual_tls_is_strict_for_the_whole_mesh(reference: Synthesis, cluster: str) -> None:
    (found,) = of_kind(reference, cluster, "PeerAuthentication").items()
    assert found[0] == ("istio-system", "default")
    assert found[1]["spec"] == {"mtls": {"mode": "STRICT"}}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_no_policy_allows_is_refused_in_the_whole_mesh(reference: Synthesis, cluster: str) -> None:
    policies = of_kind(reference, cluster, "AuthorizationPolicy")
    assert set(policies) == {
        ("istio-system", "default-deny"),
        ("istio-gateway", "istio-ingressgateway"),
        ("sample", "helloworld"),
    }
    # Neither a selector nor a rule: it is for everybody, and allows nothing.
    assert policies["istio-system", "default-deny"]["spec"] == {}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_load_balancer_may_ask_the_gateways_and_nobody_else(reference: Synthesis, cluster: str) -> None:
    policy = of_kind(reference, cluster, "AuthorizationPolicy")["istio-gateway", "istio-ingressgateway"]["spec"]
    labels = reference.object(cluster, "Deployment", "istio-ingressgateway")["spec"]["selector"]["matchLabels"]
    assert policy["selector"]["matchLabels"].items() <= labels.items()
    assert policy["action"] == "ALLOW"
    (rule,) = policy["rules"]
    assert rule["from"] == [{"source": {"ipBlocks": ["130.211.0.0/22", "35.191.0.0/16"]}}]
    assert rule["to"] == [{"operation": {"ports": ["80"]}}]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateways_and_the_client_may_ask_the_demo(reference: Synthesis, cluster: str) -> None:
    policy = of_kind(reference, cluster, "AuthorizationPolicy")["sample", "helloworld"]["spec"]
    assert policy["selector"] == {"matchLabels": {"app": "helloworld"}}
    assert policy["action"] == "ALLOW"
    (rule,) = policy["rules"]
    assert rule["from"] == [{"source": {"principals": [GATEWAY, "*/ns/sample/sa/sleep"]}}]
    assert rule["to"] == [{"operation": {"ports": ["5000"]}}]
    # By the accounts that their pods have.
    for name, account in (("istio-ingressgateway", "istio-ingressgateway"), ("sleep", "sleep")):
        pod = reference.object(cluster, "Deployment", name)["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == account


def test_a_service_has_an_account_of_its_own(three_regions: Synthesis) -> None:
    for cluster, version in (("tokyo", "v4"), ("iowa", "v5")):
        assert ("apps", "checkout") in of_kind(three_regions, cluster, "ServiceAccount")
        deployment = three_regions.object(cluster, "Deployment", f"checkout-{version}")
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "checkout"


def test_who_may_ask_a_service_of_ones_own(three_regions: Synthesis) -> None:
    policy = of_kind(three_regions, "iowa", "AuthorizationPolicy")["apps", "checkout"]["spec"]
    assert policy["rules"][0]["from"] == [
        {"source": {"principals": [GATEWAY, "*/ns/orders/sa/worker"]}},
        {"source": {"namespaces": ["monitoring"]}},
    ]


def test_services_may_ask_each_other_only_if_the_configuration_says_so() -> None:
    text = (
        REFERENCE.read_text(encoding="utf-8")
        + """
services:
  cart: {image: i, port: 8080, allow_from: [shop, helloworld]}
  shop: {image: i, port: 8080, namespace: front, route: {path: /shop}}
  alone: {image: i, port: 8080}
"""
    )
    environment = environment_of(text)
    assert authorized_callers(environment, "cart") == (Caller("front", "shop"), Caller("sample", "helloworld"))
    assert authorized_callers(environment, "shop") == (Caller("istio-gateway", "istio-ingressgateway"),)
    assert authorized_callers(environment, "alone") == ()


def test_a_route_without_an_entry_lets_nobody_in() -> None:
    environment = load_without_variables(REFERENCE)
    ingress = environment.ingress.model_copy(update={"enabled": False})
    closed = environment.model_copy(update={"ingress": ingress})
    assert authorized_callers(closed, "helloworld") == (Caller("sample", "sleep"),)


def test_a_service_that_nobody_may_ask_has_no_policy_that_allows(tmp_path: Path) -> None:
    alone = "\nservices:\n  alone: {image: i, port: 8080}\n\ndemo:\n"
    policies = of_kind(said(tmp_path, "\ndemo:\n", alone), "tokyo", "AuthorizationPolicy")
    assert ("apps", "alone") not in policies
    assert ("istio-system", "default-deny") in policies


def test_refused_is_only_when_all_that_allows_is_there(reference: Synthesis) -> None:
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


def test_a_word_lets_everybody_ask(tmp_path: Path) -> None:
    step = said(tmp_path, "mesh:\n", "mesh:\n  default_deny: false\n")
    for cluster in CLUSTERS:
        assert of_kind(step, cluster, "AuthorizationPolicy") == {}
        assert len(of_kind(step, cluster, "PeerAuthentication")) == 1


def test_a_word_takes_plain_text(tmp_path: Path) -> None:
    """It is said, and not left out: what was strict before becomes permissive."""
    step = said(tmp_path, "mesh:\n", "mesh:\n  mtls: permissive\n")
    (policy,) = of_kind(step, "tokyo", "PeerAuthentication").values()
    assert policy["spec"] == {"mtls": {"mode": "PERMISSIVE"}}
    assert len(of_kind(step, "tokyo", "AuthorizationPolicy")) == 3


def test_a_retired_region_has_no_policies(three_regions: Synthesis) -> None:
    assert of_kind(three_regions, "belgium", "PeerAuthentication") == {}
    assert len(of_kind(three_regions, "iowa", "PeerAuthentication")) == 1


@pytest.mark.parametrize("environment", ["reference", "three_regions"])
def test_no_container_is_root_or_becomes_it(environment: str, request: pytest.FixtureRequest) -> None:
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


def test_images_that_say_no_user_are_given_one(reference: Synthesis) -> None:
    """A kubelet refuses an image whose user is a name or nobody says one, if it may not be root."""
    users = {
        name: {**pod["securityContext"], **container["securityContext"]}.get("runAsUser")
        for name, pod, container in containers(reference)
    }
    # The gateway's comes with the proxy: whoever else says 1337 is warned of by Istio.
    assert users == {"istio-ingressgateway": None, "helloworld-v1": 65534, "helloworld-v2": 65534, "sleep": 65534}


def test_a_service_writes_to_tmp_alone(reference: Synthesis) -> None:
    pod = reference.object("tokyo", "Deployment", "helloworld-v1")["spec"]["template"]["spec"]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]


def test_words_loosen_a_service_and_no_other(tmp_path: Path) -> None:
    service = "services:\n  old: {image: i, port: 80, root: true, writable_root: true}\n"
    step = said(tmp_path, "\ndemo:\n", f"\n{service}\ndemo:\n")
    pod = step.object("tokyo", "Deployment", "old-v1")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    # What nobody has taken back stands; and whoever is not root may listen on a low port.
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    other = step.object("tokyo", "Deployment", "helloworld-v1")["spec"]["template"]["spec"]
    assert other["securityContext"]["runAsNonRoot"] is True
    assert "sysctls" not in other["securityContext"]


def test_a_user_of_ones_own(three_regions: Synthesis) -> None:
    pod = three_regions.object("iowa", "Deployment", "checkout-v5")["spec"]["template"]["spec"]
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (1000, 1000)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_gateways_have_limits_are_spread_and_never_one(reference: Synthesis, cluster: str) -> None:
    pod = reference.object(cluster, "Deployment", "istio-ingressgateway")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {*container["resources"]["requests"]} == {*container["resources"]["limits"]} == {"cpu", "memory"}
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert (spread["maxSkew"], spread["whenUnsatisfiable"]) == (1, "DoNotSchedule")
    # A zone that is lost must not hold the pods back that are to come elsewhere.
    assert spread["nodeTaintsPolicy"] == "Honor"
    assert spread["labelSelector"]["matchLabels"] == {"istio": "ingressgateway"}
    scaler = reference.object(cluster, "HorizontalPodAutoscaler", "istio-ingressgateway")["spec"]
    assert scaler["minReplicas"] >= 2
    budget = reference.object(cluster, "PodDisruptionBudget", "istio-ingressgateway")["spec"]
    assert budget["maxUnavailable"] == 1


def test_the_gateway_needs_no_capability_to_listen_where_the_service_says(reference: Synthesis) -> None:
    pod = reference.object("tokyo", "Deployment", "istio-ingressgateway")["spec"]["template"]["spec"]
    assert pod["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]


def test_the_environments_here_say_what_they_give_up() -> None:
    """The reference has no domain, and says so; the other one has, and needs no such word."""
    assert load_without_variables(REFERENCE).ingress.plain_http
    assert not load_without_variables(THREE_REGIONS).ingress.plain_http
