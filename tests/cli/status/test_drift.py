"""`mesh status`, of objects that were changed by hand. tests/terraform/test_changes_in_place.py has an API server."""

import copy
import json
import shlex
from typing import Any

import pytest

from cli.status.drift import Difference, differences, restore_commands
from config.naming import MANIFEST_ANNOTATION
from tests.cli.deployed_mesh import DeployedMesh

Object = dict[str, Any]


def fields(kind: str, own: Any, live: Any) -> list[str]:
    """Return the fields in which an object's spec differs."""
    manifest = {"kind": kind, "metadata": {"name": "x"}, "spec": own}
    return [one.field for one in differences(manifest, {"metadata": {"name": "x"}, "spec": live})]


@pytest.mark.parametrize(
    ("own", "live", "changed"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1}, "theirs": 2}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["spec.a.b"]),
        ({"a": {"b": 1}}, {}, ["spec.a"]),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "theirs"}, {"name": "x", "v": 1}]}, []),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "x", "v": 2}]}, ["spec.a[x].v"]),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "theirs"}]}, ["spec.a[x]"]),
        ({"a": ["x"]}, {"a": ["x", "theirs"]}, ["spec.a"]),
        ({"a": {}, "b": [], "c": ""}, {}, []),
        ({"a": False}, {}, []),
    ],
)
def test_what_is_ours_is_compared(own: Any, live: Any, changed: list[str]) -> None:
    assert fields("Deployment", own, live) == changed


@pytest.mark.parametrize(
    ("own", "live", "changed"),
    [
        ({"rules": []}, {"rules": [{}]}, ["spec.rules"]),
        ({"rules": [{"from": "a"}]}, {"rules": [{"from": "a"}], "selector": {}}, ["spec.selector"]),
        ({"mtls": {"mode": "STRICT"}}, {"mtls": {"mode": "STRICT"}}, []),
    ],
)
def test_a_policy_has_nothing_but_what_is_ours(own: Any, live: Any, changed: list[str]) -> None:
    assert fields("AuthorizationPolicy", own, live) == changed


@pytest.mark.parametrize(
    ("own", "live", "changed"),
    [
        ({"istio.io/rev": "r"}, {"istio.io/rev": "r", "team": "theirs"}, []),
        ({"istio.io/rev": "r"}, {"istio.io/rev": "theirs"}, ["metadata.labels.istio.io/rev"]),
        (
            {"istio.io/rev": "r"},
            {"istio.io/rev": "r", "istio-injection": "disabled"},
            [],
        ),
        ({"istio-injection": "enabled"}, {"istio-injection": "enabled", "istio.io/rev": "theirs"}, []),
        ({}, {"istio-injection": "enabled"}, []),
    ],
)
def test_labels_of_a_namespace(own: Object, live: Object, changed: list[str]) -> None:
    manifest = {"kind": "Namespace", "metadata": {"labels": own}}
    assert [one.field for one in differences(manifest, {"metadata": {"labels": live}})] == changed


def test_a_text_says_what_was_done() -> None:
    assert str(Difference(("a",), 1, None)) == "a was removed"
    assert str(Difference(("a",), None, {"x": 1})) == 'a = {"x": 1} was added'
    assert str(Difference(("a", {"name": "b"}), "own", "live")) == "a[b] was changed from own to live"


def apply(mesh: DeployedMesh, kind: str, name: str, **fields: Any) -> Object:
    """Have a deploy apply fields of an object, and return the object."""
    mesh.applied("tokyo", kind, name).update(copy.deepcopy(fields))
    found = mesh.object("tokyo", kind, name)
    found.update(copy.deepcopy(fields))
    return found


def test_status_names_the_field_who_changed_it_and_the_command(mesh: DeployedMesh) -> None:
    found = apply(mesh, "Deployment", "sleep", spec={"paused": False, "replicas": 1})
    found["spec"]["paused"] = True
    found["metadata"]["managedFields"] = [
        {"manager": "Terraform", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {".": {}, "f:paused": {}}}},
    ]
    report = mesh.run_json("status")
    finding = report.findings("failure")["tokyo", "Deployment sample/sleep"]
    assert finding["text"] == (
        "spec.paused was changed from false to true by kubectl-edit; "
        "a deploy restores it only after a change of this object in the configuration"
    )
    assert finding["fix"].endswith(
        """ patch deployment.apps sleep --namespace sample --patch '{"spec": {"paused": false}}'"""
    )
    assert report.findings("ok")["osaka", "objects"]
    assert ("tokyo", "objects") not in report.findings()


@pytest.mark.parametrize(
    ("spec", "former", "kept"),
    [({}, "Terraform", {"replicas": 1}), ({"replicas": 1}, "multi-region-mesh", None)],
)
def test_status_names_the_field_manager_of_former_deploys(
    mesh: DeployedMesh, spec: Object, former: str, kept: Object | None
) -> None:
    """Between replicas and an autoscaler, the field manager changes; the number of pods does not."""
    found = apply(mesh, "Deployment", "sleep", spec=spec)
    found["spec"] = {"replicas": 1}
    metadata = {"name": "sleep", "namespace": "sample"}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    found["metadata"]["annotations"] = {MANIFEST_ANNOTATION: json.dumps(manifest)}
    template: Object = {"f:spec": {"f:replicas": {}, "f:template": {}}}
    found["metadata"]["managedFields"] = [
        {"manager": one, "operation": "Apply", "fieldsV1": template} for one in ("Terraform", "multi-region-mesh")
    ]
    finding = mesh.run_json("status").findings("warning")["tokyo", "Deployment sample/sleep"]
    assert f"the field manager {former} of earlier deploys still owns fields" in finding["text"]
    echo, kubectl = finding["fix"].split(" | ")
    applied = json.loads(shlex.split(echo)[1])
    assert (applied["kind"], applied["metadata"], applied.get("spec")) == (
        "Deployment",
        {"name": "sleep", "namespace": "sample"},
        kept,
    )
    assert kubectl.endswith(f"apply --server-side --field-manager {former} --validate=false --filename -")

    resolved: Object = {"f:spec": {"f:replicas": {}}}
    found["metadata"]["managedFields"] = [{"manager": former, "operation": "Apply", "fieldsV1": resolved}]
    assert ("tokyo", "Deployment sample/sleep") not in mesh.run_json("status").findings()


def test_an_item_is_known_by_its_list_keys(mesh: DeployedMesh) -> None:
    """A port of a Service by its number and protocol: so managed fields name it, and a patch finds it."""
    port = {"name": "http", "port": 5000, "targetPort": 5000}
    found = apply(mesh, "Deployment", "sleep", spec={"ports": [port]})
    found["spec"]["ports"] = [{**port, "protocol": "TCP", "targetPort": 1}]
    key = 'k:{"port":5000,"protocol":"TCP"}'
    found["metadata"]["managedFields"] = [
        {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:ports": {key: {"f:targetPort": {}}}}}},
        {"manager": "other", "fieldsV1": {"f:spec": {"f:ports": {key: {"f:name": {}}}}}},
    ]
    finding = mesh.run_json("status").findings("failure")["tokyo", "Deployment sample/sleep"]
    assert "spec.ports[http].targetPort was changed from 5000 to 1 by kubectl-edit;" in finding["text"]
    assert finding["fix"].endswith(json.dumps({"spec": {"ports": [port]}}) + "'")


def test_a_port_with_another_number_is_replaced() -> None:
    """A strategic merge would find no port of that number, and add one of the same name, which the server refuses."""
    port = {"name": "http", "port": 5000, "targetPort": 5000}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [port]}}
    (change,) = differences(manifest, {"metadata": {}, "spec": {"ports": [{**port, "port": 5002}]}})
    patch = json.dumps({"spec": {"ports": [port]}})
    commands = restore_commands("kubectl", manifest, [change])
    assert commands == [f"kubectl patch service x --type merge --patch '{patch}'"]


def test_one_patch_ends_what_excludes_each_other() -> None:
    """Somebody has put another source of a variable, and another kind of probe, in the place of ours."""
    variable = {"name": "A", "value": "1"}
    container = {"name": "c", "env": [variable], "readinessProbe": {"tcpSocket": {"port": 80}}}
    source, probe = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}, {"path": "/", "scheme": "HTTP"}
    theirs = {"name": "c", "env": [{"name": "A", "valueFrom": source}], "readinessProbe": {"httpGet": probe}}
    variables: Object = {'k:{"name":"A"}': {"f:valueFrom": {".": {}, "f:fieldRef": {}}}}
    fields: Object = {"f:env": variables, "f:readinessProbe": {"f:httpGet": {".": {}, "f:path": {}, "f:scheme": {}}}}
    owned: Object = {"f:spec": {"f:containers": {'k:{"name":"c"}': fields}}}
    live = {
        "metadata": {"managedFields": [{"manager": "kubectl-edit", "fieldsV1": owned}]},
        "spec": {"containers": [theirs], "paused": True, "replicas": 2},
    }
    spec: Object = {"containers": [container], "paused": False, "replicas": 1}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}
    scale, patch = restore_commands("kubectl", manifest, list(differences(manifest, live)))
    assert scale == "kubectl scale deployment.apps x --replicas=1"
    assert json.loads(shlex.split(patch)[-1]) == {
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "env": [{"name": "A", "value": "1", "valueFrom": None}],
                    "readinessProbe": {"tcpSocket": {"port": 80}, "httpGet": None},
                }
            ],
            "paused": False,
        }
    }


def test_a_rollout_that_fails_names_pod_and_reason(mesh: DeployedMesh) -> None:
    """The old pods are still available."""
    found = mesh.object("tokyo", "Deployment", "helloworld-v1")
    found["spec"]["selector"] = {"matchLabels": {"app": "helloworld"}}
    found["status"]["unavailableReplicas"] = 1
    pod = mesh.object("tokyo", "Pod", "helloworld-v1-5d4f8-1")
    pod["metadata"]["labels"] = {"app": "helloworld", "version": "v1"}
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    pod["status"]["containerStatuses"] = [{"name": "helloworld", "state": {"waiting": waiting}}]
    finding = mesh.run_json("status").findings("failure")["tokyo", "service helloworld"]
    text = "helloworld-v1: 1 of 1 available; pod helloworld-v1-5d4f8-1: ImagePullBackOff: no such image"
    assert finding["text"] == text


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        ({"f:selector": {}}, ["spec.selector.theirs"]),  # an atomic map has one owner
        ({"f:template": {"f:annotations": {"f:theirs": {}}}}, ["spec.template.annotations.theirs"]),
        ({"f:template": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}, []),
        ({"f:ports": {'k:{"port":9999,"protocol":"TCP"}': {".": {}, "f:port": {}}}}, ["spec.ports[theirs]"]),
        ({"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:nodePort": {}}}}, ["spec.ports[http].nodePort"]),
        ({"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:targetPort": {}}}}, []),
        ({"f:replicas": {}}, []),  # an autoscaler's
        ({"f:gone": {}}, []),
    ],
)
def test_what_others_own_is_added(fields: Object, added: list[str]) -> None:
    """In a kind whose schema has defaults, which nobody owns."""
    port = {"name": "http", "port": 80, "targetPort": 80}
    manifest = {"kind": "Service", "metadata": {}, "spec": {"selector": {"app": "x"}, "ports": [port]}}
    live = {
        "metadata": {"managedFields": [{"manager": "kubectl-patch", "fieldsV1": {"f:spec": fields}}]},
        "spec": {
            "selector": {"app": "x", "theirs": "y"},
            "ports": [{**port, "protocol": "TCP", "nodePort": 30000}, {"name": "theirs", "port": 9999}],
            "template": {"annotations": {"theirs": "y", "kubectl.kubernetes.io/restartedAt": "now"}},
            "replicas": 3,
            "clusterIP": "10.0.0.1",
        },
    }
    assert [one.field for one in differences(manifest, live)] == added
    for owner in ({"manager": "Terraform"}, {"manager": "hpa", "subresource": "scale"}):
        owned = {"managedFields": [{**owner, "fieldsV1": {"f:spec": fields}}]}
        assert list(differences(manifest, {**live, "metadata": owned})) == []
