"""Changes of Kubernetes objects, by the file and by hand, with the real provider and a real API server.

Every object of a region is in the stack, as the environments' JSON has it, so that a new manifest is tried as well.
"""

import copy
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.report.findings import Finding, FindingState
from config.kinds import RESTORED_KINDS, is_restored
from config.naming import FIELD_MANAGER, GATEWAY_NAMESPACE, MANIFEST_ANNOTATION
from tests.synthesized import ENVIRONMENTS, Synthesis, load_without_variables
from tests.terraform.api_server import BROKEN_IMAGE, ApiServer
from tests.terraform.kubernetes_stack import TYPES, KubernetesStack, Resources, region_resources
from tests.terraform.object_findings import object_findings, repair, run_other_pipelines

ENVIRONMENT, REGION = "hardened", "frankfurt"
MESH_ENVIRONMENT, MESH_REGION = "fleet", "tokyo"
"""The one whose stack `mesh` has Kubernetes objects."""

GATEWAY_ENVIRONMENT, GATEWAY_REGION = "gateway", "tokyo"
"""The one with multi-cluster Gateway, whose objects are added to the others."""

Manifest = dict[str, Any]


def _change_gateway(spec: Manifest) -> None:
    """Change a Gateway, Istio's or the load balancer's."""
    if "servers" in spec:
        spec["servers"][0].update(hosts=["shop.example.com"])
    else:
        spec["listeners"][0].update(port=8080)


NEW_VALUES: dict[str, Callable[[Manifest], None]] = {
    "AuthorizationPolicy": lambda spec: spec.update(rules=[]),
    "BackendConfig": lambda spec: spec["healthCheck"].update(requestPath="/other"),
    "ClusterRole": lambda one: one["rules"][0].update(verbs=["get"]),
    "ClusterRoleBinding": lambda one: one["subjects"][0].update(name="other"),
    "Deployment": lambda spec: spec["template"]["spec"]["containers"][0].update(image="registry.example/next:2"),
    "DestinationRule": lambda spec: spec["trafficPolicy"]["outlierDetection"].update(interval="20s"),
    "FrontendConfig": lambda spec: spec.update(sslPolicy="other"),
    "GCPBackendPolicy": lambda spec: spec["default"]["connectionDraining"].update(drainingTimeoutSec=1),
    "GCPGatewayPolicy": lambda spec: spec["default"].update(sslPolicy="other"),
    "Gateway": _change_gateway,
    "HTTPRoute": lambda spec: spec.update(hostnames=["other.example.com"]),
    "HealthCheckPolicy": lambda spec: spec["default"].update(timeoutSec=4),
    "HorizontalPodAutoscaler": lambda spec: spec.update(maxReplicas=spec["maxReplicas"] + 1),
    "MultiClusterIngress": lambda spec: spec["template"]["spec"]["backend"].update(servicePort=443),
    "MultiClusterService": lambda spec: spec["template"]["spec"]["ports"].pop(),
    "PeerAuthentication": lambda spec: spec["mtls"].update(mode="PERMISSIVE"),
    "PodDisruptionBudget": lambda spec: spec.update(maxUnavailable=2),
    "Role": lambda one: one["rules"][0].update(verbs=["get"]),
    "RoleBinding": lambda one: one["subjects"][0].update(name="other"),
    "SecretProviderClass": lambda spec: spec["parameters"].update(secrets="[]"),
    "Service": lambda spec: next(one for one in spec["ports"] if "http" in one["name"]).update(targetPort=5001),
    "VirtualService": lambda spec: spec["http"][0]["route"][0]["destination"]["port"].update(number=5001),
}
"""By kind: a change of a field, in the file or by hand. Of a kind with a spec, the spec is given."""

OTHER_VALUES: dict[str, Callable[[Manifest], None]] = {
    "Deployment": lambda spec: spec["template"]["metadata"].setdefault("annotations", {}).update(changed="true"),
    "DestinationRule": lambda spec: spec["trafficPolicy"]["outlierDetection"].update(baseEjectionTime="60s"),
    "Gateway": lambda spec: spec["servers"][0]["port"].update(name="other"),
    "HorizontalPodAutoscaler": lambda spec: spec.update(minReplicas=1),
    "PodDisruptionBudget": lambda spec: spec.update(unhealthyPodEvictionPolicy="AlwaysAllow"),
    "SecretProviderClass": lambda spec: spec.update(provider="other"),
    "Service": lambda spec: spec["ports"][0].update(appProtocol="tcp"),
    "VirtualService": lambda spec: spec.update(hosts=["shop.example.com"]),
}
"""By kind that a deploy does not restore: a change of another field of the spec, in the file."""

SECONDS_TO_SETTLE = 120.0

METADATA = frozenset({"apiVersion", "kind", "metadata"})

IMMUTABLE_KINDS = frozenset({"ConfigMap", "Job", "Namespace", "ServiceAccount", "ServiceExport"})
"""Kinds whose manifests have nothing but metadata, or nothing that can change in place."""

ADDED_VALUES: dict[str, Any] = {
    "Deployment": {
        "spec": {"template": {"spec": {"containers": [{"name": "", "env": [{"name": "X", "value": "1"}]}]}}}
    },
    "Service": {"spec": {"ports": [{"name": "theirs", "port": 9999}]}},
}
"""By kind: an item of somebody else's in a list of ours, as a strategic merge patch."""


@pytest.fixture
def hardened(synthesized: Callable[[str], Synthesis]) -> Synthesis:
    return synthesized(ENVIRONMENT)


def gateway_resources(gateway: Synthesis) -> Resources:
    """Return the objects of multi-cluster Gateway, which need nothing but the gateways' namespace."""
    found = region_resources(gateway, GATEWAY_REGION, "ingress")["kubernetes_manifest"]
    own = {name: one for name, one in found.items() if "exported-gateway" in name or "multi-cluster-gateway" in name}
    for one in own.values():
        one["depends_on"] = [other for other in one.get("depends_on", []) if other.partition(".")[2] in own]
    return {"kubernetes_manifest": own}


@pytest.fixture
def deployed(
    cluster: ApiServer, hardened: Synthesis, synthesized: Callable[[str], Synthesis], tmp_path: Path
) -> Iterator[KubernetesStack]:
    """Every object of a region, deployed."""
    resources = region_resources(hardened, REGION, "ingress")
    (namespace,) = (
        f"kubernetes_manifest.{name}"
        for name, one in resources["kubernetes_manifest"].items()
        if (one["manifest"]["kind"], one["manifest"]["metadata"]["name"]) == ("Namespace", GATEWAY_NAMESPACE)
    )
    for name, one in gateway_resources(synthesized(GATEWAY_ENVIRONMENT))["kubernetes_manifest"].items():
        resources["kubernetes_manifest"][name] = {**one, "depends_on": [namespace, *one["depends_on"]]}
    stack = KubernetesStack(tmp_path, hardened, resources, cluster.kubeconfig)
    stack.deploy()
    yield stack
    cluster.delete(stack.manifests().values())


def of(manifest: Manifest) -> tuple[str, ...]:
    """Return kubectl's arguments for an object."""
    group = manifest["apiVersion"].rpartition("/")[0]
    metadata = manifest["metadata"]
    namespace = ("--namespace", metadata["namespace"]) if "namespace" in metadata else ()
    return (*namespace, f"{manifest['kind']}.{group}".lower().rstrip("."), metadata["name"])


def change(manifest: Manifest) -> None:
    """Change a field of an object's kind, if there is one."""
    if manifest["kind"] in NEW_VALUES:
        NEW_VALUES[manifest["kind"]](manifest.get("spec", manifest))


def deployment(stack: KubernetesStack, name: str) -> Manifest:
    (found,) = (one for one in stack.manifests("Deployment").values() if one["metadata"]["name"].startswith(name))
    return found


def replicas(cluster: ApiServer, manifest: Manifest) -> int:
    count: int = cluster.get(*of(manifest))["spec"]["replicas"]
    return count


def test_every_kind_is_tried(synthesized: Callable[[str], Synthesis]) -> None:
    """A new manifest is in one of the two regions, and its kind in the tables."""
    everywhere: set[str] = set()
    for name in ENVIRONMENTS:
        for stack, content in synthesized(name).stacks.items():
            named = content.get("resource", {})
            everywhere |= {one["manifest"]["kind"] for one in named.get("kubernetes_manifest", {}).values()}
            assert {kind for kind in named if kind.startswith("kubernetes_")} <= set(TYPES), stack
    tried = [
        region_resources(synthesized(ENVIRONMENT), REGION, "ingress"),
        region_resources(synthesized(MESH_ENVIRONMENT), MESH_REGION, "mesh"),
        gateway_resources(synthesized(GATEWAY_ENVIRONMENT)),
    ]
    assert everywhere == {one["manifest"]["kind"] for r in tried for one in r["kubernetes_manifest"].values()}
    assert everywhere == NEW_VALUES.keys() | IMMUTABLE_KINDS
    assert everywhere == OTHER_VALUES.keys() | IMMUTABLE_KINDS | RESTORED_KINDS | {"HTTPRoute"}
    assert everywhere >= RESTORED_KINDS


def touch(cluster: ApiServer, manifest: Manifest) -> None:
    """Change an object in every way in which an operator does: of ours, and besides."""
    target = of(manifest)
    cluster.kubectl("label", *target, "team=theirs", "--overwrite")
    cluster.kubectl("annotate", *target, "note=theirs", "--overwrite")
    if added := copy.deepcopy(ADDED_VALUES.get(manifest["kind"])):
        if manifest["kind"] == "Deployment":
            name = manifest["spec"]["template"]["spec"]["containers"][0]["name"]
            added["spec"]["template"]["spec"]["containers"][0]["name"] = name
        cluster.kubectl("patch", *target, "--patch", json.dumps(added))
    if manifest["kind"] == "Deployment":
        cluster.kubectl("rollout", "restart", *target)
        cluster.kubectl("scale", *target, "--replicas", "3")
    edited = cluster.get(*target)
    change(edited)
    fields = {key: edited[key] for key in manifest.keys() - METADATA}
    cluster.kubectl("patch", *target, "--type", "merge", "--patch", json.dumps(fields))


def take_over_labels(cluster: ApiServer, stack: KubernetesStack) -> dict[str, str]:
    """Change the labels by which a namespace's pods get sidecars, and return the right ones."""
    resources = stack.resources["kubernetes_labels"].values()
    (labels,) = (one["labels"] for one in resources if one["metadata"]["name"] == "sample")
    cluster.kubectl("label", "namespace", "sample", *(f"{name}=theirs" for name in labels), "--overwrite")
    return dict(labels)


def is_restored_manifest(manifest: Manifest) -> bool:
    return is_restored(manifest["apiVersion"].partition("/")[0], manifest["kind"])


class TestByHand:
    """All objects are touched in all ways, once by hand and then by the file."""

    def test_security_is_restored_at_once_and_the_rest_with_the_next_change(
        self, cluster: ApiServer, deployed: KubernetesStack
    ) -> None:
        before = {name: cluster.get(*of(one)) for name, one in deployed.manifests().items()}
        for one in deployed.manifests().values():
            touch(cluster, one)
        injection = take_over_labels(cluster, deployed)

        deployed.deploy()
        for name, one in deployed.manifests().items():
            found = cluster.get(*of(one))
            restored = own_fields(one, found) == own_fields(one, before[name])
            assert restored == (is_restored_manifest(one) or one["kind"] in IMMUTABLE_KINDS), one["kind"]
        assert cluster.get("namespace", "sample")["metadata"]["labels"].items() >= injection.items()

        for one in deployed.manifests().values():
            one["metadata"]["annotations"][MANIFEST_ANNOTATION] = "changed"
            one["metadata"].setdefault("labels", {})["changed"] = "true"
        for one in deployed.manifests("Deployment").values():
            one["spec"]["template"]["metadata"].setdefault("annotations", {})["changed"] = "true"
        deployed.deploy()
        for one in deployed.manifests().values():
            found = cluster.get(*of(one))
            assert found["metadata"]["labels"].items() >= {"team": "theirs", "changed": "true"}.items()
            assert found["metadata"]["annotations"]["note"] == "theirs"
            if one["kind"] == "Deployment":
                (container,) = found["spec"]["template"]["spec"]["containers"]
                assert {"name": "X", "value": "1"} in container["env"]
                assert container["image"] == one["spec"]["template"]["spec"]["containers"][0]["image"]
                assert found["spec"]["replicas"] == one["spec"].get("replicas", 3), "an autoscaler's count"

    def test_a_change_of_the_file_takes_back_the_object(self, cluster: ApiServer, deployed: KubernetesStack) -> None:
        """The file changes another field of the spec than somebody has by hand."""
        for one in deployed.manifests().values():
            touch(cluster, one)
            if one["kind"] in OTHER_VALUES and not is_restored_manifest(one):
                OTHER_VALUES[one["kind"]](one["spec"])
                one["metadata"]["annotations"][MANIFEST_ANNOTATION] = "changed"
        deployed.deploy()
        for one in deployed.manifests().values():
            assert own_fields(one, cluster.get(*of(one))) == own_fields(one, one), one["kind"]
        ports = cluster.get("--namespace", "sample", "service", "helloworld")["spec"]["ports"]
        assert 9999 in [port["port"] for port in ports], "somebody else's port stays"


def test_labels_of_a_namespace_are_changed_and_removed(cluster: ApiServer, deployed: KubernetesStack) -> None:
    name = "team-reports"
    (manifest,) = (one for one in deployed.manifests("Namespace").values() if one["metadata"]["name"] == name)
    blocks = deployed.resources["kubernetes_labels"].values()
    (block,) = (one for one in blocks if one["metadata"]["name"] == name)
    injection = {key: value for key, value in block["labels"].items() if key != "owner"}
    cluster.kubectl("label", "namespace", name, "team=theirs")
    for labels in ({"owner": "other", "cost-center": "7"}, {"cost-center": "7"}):
        block["labels"] = manifest["metadata"]["labels"] = injection | labels
        manifest["metadata"]["annotations"][MANIFEST_ANNOTATION] = json.dumps(labels)
        deployed.deploy()
        found = cluster.get("namespace", name)["metadata"]["labels"]
        of_kubernetes = {"kubernetes.io/metadata.name": name}
        assert found == injection | labels | of_kubernetes | {"team": "theirs"}


def own_fields(manifest: Manifest, found: Any) -> Any:
    """Return the values of a manifest's fields in an object, without its metadata."""

    def project(own: Any, live: Any) -> Any:
        if isinstance(own, dict) and isinstance(live, dict):
            return {key: project(value, live.get(key)) for key, value in own.items()}
        if isinstance(own, list) and isinstance(live, list) and any(isinstance(one, dict) for one in own):
            named = {one.get("name"): one for one in live}
            return [project(one, named.get(one.get("name"))) for one in own]
        return live

    return {key: project(value, found.get(key)) for key, value in manifest.items() if key not in METADATA}


def drift(cluster: ApiServer, stack: KubernetesStack) -> dict[str, Finding]:
    """Return what `mesh status` says of objects, by their name."""
    environment = load_without_variables(ENVIRONMENTS[ENVIRONMENT])
    return {one.name: one for one in object_findings(cluster, stack, environment, REGION)}


def settled_drift(cluster: ApiServer, stack: KubernetesStack) -> dict[str, Finding]:
    """Return the drift when pods had time to become ready, as an autoscaler adds some after a deploy."""
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while (found := drift(cluster, stack)) and time.monotonic() < deadline:
        time.sleep(1)
    return found


def test_status_shows_the_drift_and_who_made_it(cluster: ApiServer, deployed: KubernetesStack) -> None:
    """And its commands end it, after which a deploy changes nothing."""
    run_other_pipelines(cluster, load_without_variables(ENVIRONMENTS[ENVIRONMENT]))
    assert settled_drift(cluster, deployed) == {}
    touched = [one for one in deployed.manifests().values() if one["kind"] in NEW_VALUES]
    for one in touched:
        touch(cluster, one)
    (injection,) = take_over_labels(cluster, deployed)
    policy = ("--namespace", "istio-system", "peerauthentication", "default")
    narrowed = {"spec": {"selector": {"matchLabels": {"app": "none"}}}}
    cluster.kubectl("patch", *policy, "--type", "merge", "--patch", json.dumps(narrowed))

    found = drift(cluster, deployed)
    named = {f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}" for one in touched}
    at_once = {
        f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in touched
        if is_restored_manifest(one)
    }
    empty = {"AuthorizationPolicy istio-system/default-deny"}  # its list of rules stays empty
    assert found.keys() == named - empty | {"Namespace sample"}
    for name, finding in found.items():
        assert finding.state is FindingState.FAILURE
        assert "by kubectl" in finding.text, finding.text
        restored = name == "Namespace sample" or name in at_once
        assert ("the next deploy restores it" in finding.text) == restored, finding.text
    assert re.search(
        r"containers\[sleep\]\.image .* to registry\.example/next:2", found["Deployment sample/sleep"].text
    )
    assert "spec.replicas was changed from 1 to 3" in found["Deployment sample/sleep"].text
    assert "replicas" not in found["Deployment istio-gateway/istio-ingressgateway"].text
    assert re.search(rf"labels\.{injection} .* to theirs", found["Namespace sample"].text)
    assert "selector" in found["PeerAuthentication istio-system/default"].text

    for finding in found.values():
        repair(cluster, finding)
    assert settled_drift(cluster, deployed) == {}
    deployed.deploy()
    assert settled_drift(cluster, deployed) == {}


def test_a_field_in_the_place_of_ours_is_ended_by_the_printed_command(
    cluster: ApiServer, hardened: Synthesis, tmp_path: Path
) -> None:
    """The API server refuses an object with both, so that no deploy can take ours back."""
    resources = region_resources(hardened, REGION, "ingress")["kubernetes_manifest"]
    wanted = {("Deployment", "helloworld-v1"), ("PodDisruptionBudget", "istio-ingressgateway")}
    names = {one["manifest"]["metadata"]["namespace"] for one in resources.values() if identity(one) in wanted}
    wanted |= {("Namespace", name) for name in names}
    few = {name: {**one, "depends_on": []} for name, one in resources.items() if identity(one) in wanted}
    stack = KubernetesStack(tmp_path, hardened, {"kubernetes_manifest": few}, cluster.kubeconfig)
    namespaces = [f"kubernetes_manifest.{name}" for name in stack.manifests("Namespace")]
    for name in stack.manifests().keys() - stack.manifests("Namespace").keys():
        stack.resources["kubernetes_manifest"][name]["depends_on"] = namespaces
    stack.deploy()
    try:
        service, (budget,) = deployment(stack, "helloworld"), stack.manifests("PodDisruptionBudget").values()
        (container,) = service["spec"]["template"]["spec"]["containers"]
        source = {"value": None, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        theirs = {
            "name": container["name"],
            "env": [{"name": one["name"], **source} for one in container["env"]],
            "readinessProbe": {"tcpSocket": None, "httpGet": {"path": "/", "port": 5000}},
        }
        patch = {"spec": {"template": {"spec": {"containers": [theirs]}}}}
        cluster.kubectl("patch", *of(service), "--patch", json.dumps(patch))
        fewest = {"spec": {"maxUnavailable": None, "minAvailable": 1}}
        cluster.kubectl("patch", *of(budget), "--patch", json.dumps(fewest))
        container["env"][0]["value"] = "changed"
        service["metadata"]["annotations"][MANIFEST_ANNOTATION] = "changed"
        assert "may not be specified when" in stack.fail()

        found = drift(cluster, stack)
        for one in (service, budget):
            name = f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}"
            repair(cluster, found[name])
            assert name not in drift(cluster, stack)
        stack.deploy()
    finally:
        cluster.delete(stack.manifests().values())


def identity(resource: Manifest) -> tuple[str, str]:
    """Return kind and name of the object of a resource."""
    manifest = resource["manifest"]
    return manifest["kind"], manifest["metadata"]["name"]


def test_an_autoscaler_goes_on_during_a_rollout(cluster: ApiServer, deployed: KubernetesStack) -> None:
    gateway = deployment(deployed, "istio-ingressgateway")
    done = threading.Event()
    counts: list[int] = []

    def scale() -> None:
        for count in (3, 4, 5, 6, 3, 4, 5):  # without an end, no rollout would ever be complete
            counts.append(count)
            cluster.kubectl("scale", *of(gateway), "--replicas", str(count))
            if done.wait(0.5):
                return

    scaling = threading.Thread(target=scale)
    scaling.start()
    try:
        gateway["spec"]["template"]["metadata"]["annotations"]["changed"] = "true"
        gateway["metadata"]["annotations"][MANIFEST_ANNOTATION] = "changed"
        result = deployed.try_deploy()
    finally:
        done.set()
        scaling.join()
    assert result.returncode == 0, result.stderr
    assert len(counts) > 3
    assert replicas(cluster, gateway) == counts[-1]
    deployed.deploy()
    assert replicas(cluster, gateway) == counts[-1]


class Rollouts:
    """The demo service, in what the file would say of it.

    Attributes:
        stack: the stack.
    """

    def __init__(self, stack: KubernetesStack) -> None:
        self.stack = stack
        budgets = stack.manifests("PodDisruptionBudget")
        (budget,) = (name for name in budgets if "service-helloworld" in name and "rollout" in name)
        stack.resources["kubernetes_manifest"][budget]["timeouts"] = {"create": "10s", "update": "10s"}
        self._budget = stack.manifests()[budget]

    def set(self, image: str, version: str = "v1") -> None:
        """Change image and version, as `constructs.mesh_service` does."""
        one = deployment(self.stack, "helloworld")
        template = f"{version}-{image.rpartition(':')[2]}"
        one["spec"]["template"]["spec"]["containers"][0]["image"] = image
        labels = one["spec"]["template"]["metadata"]["labels"]
        selectors = (one["metadata"]["labels"], one["spec"]["selector"]["matchLabels"], labels)
        for each in selectors:
            each["version"] = version
        labels["multi-region-mesh/template"] = template
        one["metadata"]["name"] = f"helloworld-{version}"
        self._budget["spec"]["selector"]["matchLabels"].update(
            {"version": version, "multi-region-mesh/template": template}
        )
        self._budget["metadata"]["name"] = f"helloworld-{version}-{template}"
        for each in (one, self._budget):
            each["metadata"]["annotations"][MANIFEST_ANNOTATION] = f"{image} {version}"


def running(cluster: ApiServer) -> dict[str, int]:
    """Return the number of ready pods of each version."""
    found = cluster.get("--namespace", "sample", "deployments", "--selector", "app=helloworld")["items"]
    return {one["metadata"]["labels"]["version"]: one["status"].get("readyReplicas", 0) for one in found}


class TestRollout:
    @pytest.fixture
    def first(self, cluster: ApiServer, hardened: Synthesis, tmp_path: Path) -> Iterator[Rollouts]:
        """An environment before its first deploy."""
        resources = region_resources(hardened, REGION, "ingress")
        stack = KubernetesStack(tmp_path, hardened, resources, cluster.kubeconfig)
        yield Rollouts(stack)
        cluster.delete(stack.manifests().values())

    def test_a_bad_image_fails_every_deploy_until_a_good_one_comes(self, cluster: ApiServer, first: Rollouts) -> None:
        first.set(f"{BROKEN_IMAGE}:1")
        for _ in range(2):
            assert "service-helloworld_rollout" in first.stack.fail()
        first.set("registry.example/good:1")
        first.stack.deploy()
        assert running(cluster) == {"v1": 1}
        first.set(f"{BROKEN_IMAGE}:2")
        for _ in range(2):
            assert "service-helloworld_rollout" in first.stack.fail()
        first.set("registry.example/good:1")
        first.stack.deploy()
        assert running(cluster) == {"v1": 1}

    def test_a_version_goes_when_the_next_one_is_ready(self, cluster: ApiServer, first: Rollouts) -> None:
        first.set("registry.example/good:1")
        first.stack.deploy()
        first.set(f"{BROKEN_IMAGE}:2", version="v2")
        first.stack.fail()
        assert running(cluster) == {"v1": 1, "v2": 0}
        first.set("registry.example/good:2", version="v2")
        first.stack.deploy()
        assert running(cluster) == {"v2": 1}

    def test_a_client_that_never_came_up_is_replaced(self, cluster: ApiServer, first: Rollouts) -> None:
        sleep = deployment(first.stack, "sleep")
        (name,) = (name for name, one in first.stack.manifests().items() if one is sleep)
        block = first.stack.resources["kubernetes_manifest"][name]
        assert seconds(block["timeouts"]["create"]) < sleep["spec"]["progressDeadlineSeconds"]
        block["timeouts"] = {"create": "10s", "update": "10s"}
        sleep["spec"]["template"]["spec"]["containers"][0]["image"] = f"{BROKEN_IMAGE}:1"
        assert "sleep_deployment" in first.stack.fail()
        sleep["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/good:1"
        sleep["metadata"]["annotations"][MANIFEST_ANNOTATION] = "changed"
        first.stack.deploy()


def seconds(duration: str) -> int:
    return int(duration.removesuffix("m")) * 60


def old_resources(resources: Resources) -> Resources:
    """Return resources as commit ece7823 applied them: without annotation, computed fields and disruption budget."""
    old = copy.deepcopy(resources)
    labels, old["kubernetes_labels"] = old["kubernetes_labels"], {}
    manifests = old["kubernetes_manifest"]
    for name in [name for name in manifests if "rollout" in name]:
        del manifests[name]
    for name, block in manifests.items():
        manifest = block["manifest"]
        del block["computed_fields"], block["field_manager"]
        block.get("timeouts", {}).pop("update", None)
        if before := block.pop("depends_on", []):
            namespaces = [labels.get(one.partition(".")[2], {}).get("depends_on", [one]) for one in before]
            block["depends_on"] = [one for each in namespaces for one in each]
        annotations = manifest["metadata"]["annotations"]
        del annotations[MANIFEST_ANNOTATION]
        if not annotations:
            del manifest["metadata"]["annotations"]
        if manifest["kind"] == "Deployment":
            manifest["spec"].pop("progressDeadlineSeconds", None)
            manifest["spec"]["template"]["metadata"]["labels"].pop("multi-region-mesh/template", None)
            block["wait"] = {"rollout": True}
        if "istio-ingressgateway" in name or manifest["metadata"]["name"] == "istio-ingressgateway":
            block["field_manager"] = {"force_conflicts": True}
        if manifest["kind"].startswith("MultiCluster"):
            block["computed_fields"] = ["metadata.annotations", "metadata.finalizers", "metadata.labels"]
        if manifest["metadata"]["name"] == "default-deny":
            manifest["spec"] = {}
    return old


def test_an_old_state_goes_over_in_one_deploy(cluster: ApiServer, hardened: Synthesis, tmp_path: Path) -> None:
    """Also where terraform owns what an autoscaler sets, as the gateway's update has sent it back."""
    new = region_resources(hardened, REGION, "ingress")
    stack = KubernetesStack(tmp_path, hardened, old_resources(new), cluster.kubeconfig)
    try:
        for one in stack.manifests("Namespace").values():
            cluster.kubectl("delete", "--ignore-not-found", *of(one))
        stack.deploy()
        gateway = deployment(stack, "istio-ingressgateway")
        cluster.kubectl("scale", *of(gateway), "--replicas", "4")
        gateway["spec"]["template"]["metadata"]["annotations"]["changed"] = "true"
        for one in stack.manifests("Service").values():
            change(one)  # after which terraform owns what the API server has chosen, such as its address
        stack.try_deploy()
        owners = {
            one["manager"]
            for one in cluster.get(*of(gateway))["metadata"]["managedFields"]
            if "f:replicas" in one["fieldsV1"].get("f:spec", {})
        }
        assert "Terraform" in owners
        touch(cluster, deployment(stack, "sleep"))

        stack.resources = copy.deepcopy(new)
        output = stack.deploy()
        assert "0 destroyed" in output
        assert replicas(cluster, gateway) == 4
        labels = cluster.get("namespace", "sample")
        assert FIELD_MANAGER in {one["manager"] for one in labels["metadata"]["managedFields"]}
    finally:
        cluster.delete(stack.manifests().values())


def test_objects_of_the_mesh_stack(cluster: ApiServer, synthesized: Callable[[str], Synthesis], tmp_path: Path) -> None:
    """Also a Job that does not succeed: it is in the state, and the next one replaces it."""
    fleet = synthesized(MESH_ENVIRONMENT)
    cluster.kubectl("delete", "namespace", "istio-system")
    stack = KubernetesStack(tmp_path, fleet, region_resources(fleet, MESH_REGION, "mesh"), cluster.kubeconfig)
    try:
        (name,) = stack.manifests("Job")
        block = stack.resources["kubernetes_manifest"][name]
        good = copy.deepcopy(block)
        block["manifest"]["spec"]["template"]["spec"]["containers"][0]["image"] = f"{BROKEN_IMAGE}:1"
        block["timeouts"] = {"create": "10s"}
        assert "readiness" in stack.fail()
        stack.resources["kubernetes_manifest"][name] = good
        stack.deploy()
        for one in stack.manifests().values():
            touch(cluster, one)
        options = ("--namespace", "istio-system", "configmap", "asm-options")
        theirs = {"data": {"multicluster_mode": "theirs", "other": "theirs"}}
        cluster.kubectl("patch", *options, "--type", "merge", "--patch", json.dumps(theirs))
        stack.deploy()
        assert cluster.get(*options)["data"] == {"multicluster_mode": "connected", "other": "theirs"}
        (role,) = stack.manifests("ClusterRole").values()
        assert cluster.get(*of(role))["rules"] == role["rules"]
    finally:
        cluster.delete(stack.manifests().values())
        cluster.kubectl("create", "namespace", "istio-system")
