"""`mesh status`, of all objects of the stacks. tests/terraform/test_single_breakages.py has an API server."""

import json
from typing import Any

import pytest

from config.naming import MANIFEST_ANNOTATION
from config.output_folder import OutputFolder
from config.synthesized import stack_file
from tests.cli.deployed_mesh import GATEWAY, DeployedMesh, endpoints, manifest_of

Object = dict[str, Any]


def policy(name: str, namespace: str, **metadata: Any) -> Object:
    return {"kind": "AuthorizationPolicy", "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": {}}


def test_a_namespace_that_is_gone_is_the_only_finding(mesh: DeployedMesh) -> None:
    """With everything that was in it."""
    namespace = mesh.object("tokyo", "Namespace", "sample")
    assert isinstance(mesh.states["ingress"], dict)
    mesh.states["ingress"]["kubernetes_manifest.tokyo_namespace"] = {"manifest": {"value": manifest_of(namespace)}}
    mesh.clusters["tokyo"]["objects"] = [
        one
        for one in mesh.clusters["tokyo"]["objects"]
        if one is not namespace and one["metadata"].get("namespace") != "sample"
    ]
    [(where, finding)] = mesh.run_json("status").findings("failure").items()
    assert where == ("tokyo", "Namespace sample")
    assert finding["text"] == "missing, and with it 5 objects"
    assert finding["fix"] == "cdktf deploy network clusters mesh ingress"


def synthesize(mesh: DeployedMesh, stacks: Object) -> None:
    """Have the last synthesis of the configuration in its output folder, which the variable names."""
    mesh.variables["CDKTF_OUTDIR"] = str(mesh.folder / "out")
    folder = OutputFolder.of(mesh.folder / "mesh.yaml", mesh.variables)
    for stack, content in stacks.items():
        stack_file(folder.path, stack).parent.mkdir(parents=True, exist_ok=True)
        stack_file(folder.path, stack).write_text(json.dumps(content), encoding="utf-8")
    folder.begin()


def test_without_a_state_the_synthesis_names_the_objects(mesh: DeployedMesh) -> None:
    """With references to what only terraform knows."""
    resources: dict[str, Object] = {}
    assert isinstance(mesh.states["ingress"], dict)
    for address, content in mesh.states["ingress"].items():
        kind, _, name = address.partition(".")
        if kind == "kubernetes_manifest":
            manifest = json.loads(json.dumps(content["manifest"]["value"]))
            if manifest["kind"] == "MultiClusterIngress":
                manifest["metadata"]["annotations"]["networking.gke.io/static-ip"] = "${google_address.a.address}"
            resources[name] = {"manifest": manifest, "provider": f"kubernetes.{name.partition('_')[0]}"}
    ingress = {"resource": {"kubernetes_manifest": resources}}
    mesh.states = {}
    synthesize(mesh, {"network": {}, "clusters": {}, "mesh": {}, "ingress": ingress})
    assert mesh.run_json("status").status == 0
    mesh.object("tokyo", "MultiClusterIngress")["metadata"]["annotations"].pop(MANIFEST_ANNOTATION)
    assert mesh.run_json("status").status == 0
    mesh.remove("osaka", "DestinationRule")
    [(where, finding)] = mesh.run_json("status").findings("failure").items()
    assert where == ("osaka", "DestinationRule sample/helloworld")
    folder = OutputFolder.of(mesh.folder / "mesh.yaml", mesh.variables).stack("ingress")
    assert finding["fix"].startswith("terraform -chdir=")
    assert "/out/stacks/ingress apply -target='kubernetes_manifest.osaka_destinationrule_helloworld'" in finding["fix"]
    (folder.parents[1] / ".configuration").write_text("another.yaml\n", encoding="utf-8")
    answer = mesh.run_json("status")
    assert answer.findings("warning")["osaka", "objects"]["fix"] == "cdktf synth"
    assert ("osaka", "DestinationRule sample/helloworld") not in answer.findings("failure")


def test_an_object_may_be_accepted(mesh: DeployedMesh) -> None:
    mesh.add("tokyo", policy("theirs", "sample", annotations={"multi-region-mesh/accepted": "ticket 7"}))
    answer = mesh.run_json("status")
    assert answer.status == 0
    assert answer.findings("ok")["tokyo", "accepted objects"]["text"] == "1 object: AuthorizationPolicy sample/theirs"


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (policy("theirs", "istio-system"), "no stack applies it; it is in effect in the whole mesh"),
        (policy("mesh-drill-x", "sample"), "a mesh drill has made it, and was interrupted unless it still runs"),
        (
            policy("old", "sample", annotations={MANIFEST_ANNOTATION: "{}"}),
            "an earlier deploy has applied it, and it is in no state; it is in effect in sample",
        ),
        (
            policy(
                "who",
                "sample",
                creationTimestamp="2026-11-28T03:00:00Z",
                managedFields=[{"manager": "kubectl-create", "fieldsV1": {}}],
            ),
            "in effect in sample; made by kubectl-create at 2026-11-28T03:00:00Z",
        ),
    ],
)
def test_a_foreign_object(mesh: DeployedMesh, one: Object, text: str) -> None:
    mesh.add("tokyo", one)
    [((section, name), finding)] = mesh.run_json("status").findings("failure").items()
    metadata = one["metadata"]
    assert (section, name) == ("tokyo", f"AuthorizationPolicy {metadata['namespace']}/{metadata['name']}")
    assert text in finding["text"]
    command = f"--namespace {metadata['namespace']} delete authorizationpolicy.security.istio.io {metadata['name']}"
    assert finding["fix"].endswith(command)


@pytest.mark.parametrize(
    "one",
    [
        policy("theirs", "default"),
        policy("installed", "istio-system", labels={"operator.istio.io/component": "Pilot"}),
        {
            "kind": "VirtualService",
            "metadata": {"name": "x", "namespace": "default"},
            "spec": {"hosts": ["other.example.com"]},
        },
        {
            "kind": "VirtualService",
            "metadata": {"name": "x", "namespace": "default"},
            "spec": {"hosts": ["helloworld.sample.svc.cluster.local"], "exportTo": ["."]},
        },
    ],
)
def test_what_is_not_in_effect(mesh: DeployedMesh, one: Object) -> None:
    mesh.add("tokyo", one)
    assert mesh.run_json("status").status == 0


@pytest.mark.parametrize("host", ["helloworld.sample.svc.cluster.local", "*.svc.cluster.local"])
def test_a_route_of_a_host_of_ours_is_in_effect_everywhere(mesh: DeployedMesh, host: str) -> None:
    spec = {"hosts": [host], "gateways": [f"istio-gateway/{GATEWAY}"]}
    mesh.add("tokyo", {"kind": "VirtualService", "metadata": {"name": "x", "namespace": "default"}, "spec": spec})
    [finding] = mesh.run_json("status").findings("failure").values()
    assert f"in effect for helloworld.sample.svc.cluster.local, istio-gateway/{GATEWAY}" in finding["text"]


def test_a_service_that_selects_nothing(mesh: DeployedMesh) -> None:
    """Its pods are available, and no object is changed: somebody has taken the label off the pods."""
    mesh.remove("tokyo", "EndpointSlice")
    [(where, finding)] = mesh.run_json("status").findings("failure").items()
    assert where == ("tokyo", "endpoints of helloworld")
    assert finding["text"] == "none: of 1 available pod, the Service selects none by app=helloworld"
    assert finding["fix"].endswith("--namespace sample get pods --show-labels")
    mesh.add("tokyo", endpoints("sample", "helloworld", ready=False))
    assert mesh.run_json("status").status == 1
    mesh.object("tokyo", "Service", "helloworld")["spec"]["selector"] = {"app": "other"}
    assert set(mesh.run_json("status").findings("failure")) == {("tokyo", "Service sample/helloworld")}


def test_pods_that_are_not_available_have_no_endpoint(mesh: DeployedMesh) -> None:
    mesh.remove("tokyo", "EndpointSlice")
    mesh.object("tokyo", "Deployment", "helloworld")["status"] = {}
    assert set(mesh.run_json("status").findings("failure")) == {("tokyo", "service helloworld")}


def webhook(**changes: Any) -> Object:
    hook = {
        "clientConfig": {"service": {"namespace": "default", "name": "policy"}},
        "rules": [{"resources": ["pods"]}],
        **changes,
    }
    return {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "theirs"}, "webhooks": [hook]}


@pytest.mark.parametrize(
    ("changes", "refuses"),
    [
        ({}, True),
        ({"failurePolicy": "Fail"}, True),
        ({"failurePolicy": "Ignore"}, False),
        ({"clientConfig": {"url": "https://x.example"}}, False),
        ({"clientConfig": {"service": {"namespace": "istio-system", "name": "istiod"}}}, False),
        ({"rules": [{"resources": ["leases"]}]}, False),
        ({"rules": [{"resources": ["*/*"]}]}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sample"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, False),
        ({"namespaceSelector": {"matchExpressions": [{"key": "istio.io/rev", "operator": "Exists"}]}}, True),
        ({"namespaceSelector": {"matchExpressions": [{"key": "istio.io/rev", "operator": "DoesNotExist"}]}}, False),
        ({"namespaceSelector": {"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}]}}, True),
        ({"namespaceSelector": {"matchExpressions": [{"key": "x", "operator": "In", "values": ["y"]}]}}, False),
    ],
)
def test_a_webhook_without_endpoints(mesh: DeployedMesh, changes: Object, refuses: bool) -> None:
    mesh.add("tokyo", webhook(**changes))
    failures = mesh.run_json("status").findings("failure")
    assert set(failures) == ({("tokyo", "ValidatingWebhookConfiguration theirs")} if refuses else set())
    if refuses:
        [finding] = failures.values()
        assert "it calls default/policy, which has no ready endpoint" in finding["text"]
        assert '"path": "/webhooks/0/failurePolicy", "value": "Ignore"' in finding["fix"]
        mesh.add("tokyo", endpoints("default", "policy"))
        assert mesh.run_json("status").status == 0
