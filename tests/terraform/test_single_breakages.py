"""`mesh status` finds each thing that is broken by hand before a real API server, and its command repairs it.

What does not concern the same object is broken at the same time, as each reading takes seconds: each is still one
finding, and there is no other one.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from cli.report.findings import FindingState
from tests.local_mesh.toolchain import get_toolchain, is_available
from tests.synthesized import ENVIRONMENTS, Synthesis, load_without_variables
from tests.terraform.api_server import ApiServer, api_server
from tests.terraform.kubernetes_stack import KubernetesStack, region_resources
from tests.terraform.object_findings import object_findings, repair, run_other_pipelines

ENVIRONMENT, REGION = "hardened", "frankfurt"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, _providers: None) -> Iterator[ApiServer]:
    if not is_available():
        pytest.skip("no toolchain is built: `make lab` does, and then this is tried before a real API server")
    with api_server(tmp_path_factory.mktemp("cluster"), get_toolchain(print)) as running:
        running.kubectl("create", "namespace", "istio-system")
        running.kubectl("create", "namespace", "others")
        yield running


@pytest.fixture(scope="module")
def deployed(
    cluster: ApiServer, synthesized: Callable[[str], Synthesis], tmp_path_factory: pytest.TempPathFactory
) -> KubernetesStack:
    synthesis = synthesized(ENVIRONMENT)
    resources = region_resources(synthesis, REGION, "ingress")
    stack = KubernetesStack(tmp_path_factory.mktemp("stack"), synthesis, resources, cluster.kubeconfig)
    stack.deploy()
    run_other_pipelines(cluster, load_without_variables(ENVIRONMENTS[ENVIRONMENT]))
    return stack


def problems(cluster: ApiServer, stack: KubernetesStack) -> dict[str, str]:
    """Return what is wrong once pods have had the time to start."""
    environment = load_without_variables(ENVIRONMENTS[ENVIRONMENT])
    deadline = time.monotonic() + SECONDS_TO_SETTLE
    while True:
        found = {one.name: one.text for one in object_findings(cluster, stack, environment, REGION)}
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(1)


class Breakage(NamedTuple):
    """Something that is broken by hand, and the only finding about it.

    Attributes:
        command: Arguments of kubectl.
        finding: Its name.
        text: A part of its text.
        manifest: Standard input of kubectl.
        state: Of the finding.
    """

    command: tuple[str, ...]
    finding: str
    text: str
    manifest: dict[str, Any] | None = None
    state: FindingState = FindingState.FAILURE


RESOURCES = {"Gateway": "gateways.networking.istio.io"}
"""Kinds as arguments of kubectl, where the Gateway API has one of that name, too."""


def gone(kind: str, namespace: str, name: str) -> Breakage:
    where = ("--namespace", namespace) if namespace else ()
    title = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
    return Breakage((*where, "delete", RESOURCES.get(kind, kind), name), title, "missing")


def patched(title: str, patch: Any, text: str, type_: str = "merge") -> Breakage:
    kind, namespace, name = re.split("[ /]", title)
    command = (
        "--namespace",
        namespace,
        "patch",
        RESOURCES.get(kind, kind),
        name,
        "--type",
        type_,
        "--patch",
        json.dumps(patch),
    )
    return Breakage(command, title, text)


def added(title: str, spec: Any, text: str, state: FindingState = FindingState.FAILURE) -> Breakage:
    """Return the breakage of an object that is added.

    Args:
        title: Version, kind, namespace and name.
        spec: Of the object.
        text: A part of the finding's text.
        state: Of the finding.
    """
    version, kind, namespace, name = re.fullmatch(r"(\S+) (\w+) ([\w-]+)/([\w-]+)", title).groups()  # type: ignore[union-attr]
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    return Breakage(("create", "-f", "-"), f"{kind} {namespace}/{name}", text, manifest, state)


def webhook(kind: str, **hook: Any) -> Breakage:
    """Return the breakage of a webhook that nobody serves."""
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "theirs"},
        "webhooks": [
            {
                "name": "theirs.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"namespace": "others", "name": "nobody"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                **hook,
            }
        ],
    }
    text = "it calls others/nobody, which has no ready endpoint"
    return Breakage(("create", "-f", "-"), f"{kind} theirs", text, manifest)


SECONDS_TO_SETTLE = 60.0
INGRESSGATEWAY = "istio-ingressgateway"
WHOLE_MESH, IN_SAMPLE = "it is in effect in the whole mesh", "no stack applies it; it is in effect in sample"
BY_US = "by kubectl-patch at 20"

BREAKAGES = {
    # gone
    "service": gone("Service", "sample", "helloworld"),
    "destination rule": gone("DestinationRule", "sample", "helloworld"),
    "virtual service": gone("VirtualService", "sample", "helloworld"),
    "gateway": gone("Gateway", "sample", "helloworld-gateway"),
    "default deny": gone("AuthorizationPolicy", "istio-system", "default-deny"),
    "mutual TLS": gone("PeerAuthentication", "istio-system", "default"),
    "client": gone("Deployment", "sample", "sleep"),
    "role binding": gone("RoleBinding", "istio-gateway", INGRESSGATEWAY),
    "ingress": gone("MultiClusterIngress", "istio-gateway", INGRESSGATEWAY),
    # changed
    "principals": patched(
        "AuthorizationPolicy sample/helloworld",
        {"spec": {"rules": [{"from": [{"source": {"principals": ["nobody"]}}]}]}},
        f"{BY_US}",
    ),
    "a policy denies": patched("AuthorizationPolicy sample/helloworld", {"spec": {"action": "DENY"}}, "spec.action"),
    "no outlier detection": patched(
        "DestinationRule sample/helloworld",
        {"spec": {"trafficPolicy": {"outlierDetection": None}}},
        "spec.trafficPolicy.outlierDetection was removed",
    ),
    "TLS off": patched(
        "DestinationRule sample/helloworld",
        {"spec": {"trafficPolicy": {"tls": {"mode": "DISABLE"}}}},
        'spec.trafficPolicy.tls = {"mode": "DISABLE"} was added by kubectl-patch at 20',
    ),
    "a rule for one namespace": patched(
        "DestinationRule sample/helloworld", {"spec": {"exportTo": ["."]}}, 'spec.exportTo = ["."] was added'
    ),
    "a service selects nothing": patched(
        "Service sample/helloworld",
        {"spec": {"selector": {"app": "nothing"}}},
        "spec.selector.app was changed from helloworld to nothing by kubectl-patch at 20",
    ),
    "a service selects less": patched(
        "Service sample/helloworld",
        {"spec": {"selector": {"other": "label"}}},
        "spec.selector.other = label was added",
    ),
    "a port": patched(
        "Service sample/helloworld",
        {"spec": {"ports": [{"name": "theirs", "port": 9999}]}},
        "spec.ports[theirs] = ",
        "strategic",
    ),
    "a fault": patched(
        "VirtualService sample/helloworld",
        [
            {
                "op": "add",
                "path": "/spec/http/0/fault",
                "value": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}},
            }
        ],
        "spec.http was changed from",
        "json",
    ),
    "other hosts": patched("Gateway sample/helloworld-gateway", {"spec": {"selector": {"a": "b"}}}, "selector.a"),
    "plain text": patched(
        "PeerAuthentication istio-system/default",
        {"spec": {"mtls": {"mode": "DISABLE"}}},
        "changed from STRICT to DISABLE",
    ),
    "plain text on a port": patched(
        "PeerAuthentication istio-system/default",
        {"spec": {"selector": {"matchLabels": {"app": "x"}}}},
        "selector",
    ),
    "no autoscaling": patched(
        "HorizontalPodAutoscaler istio-gateway/istio-ingressgateway", {"spec": {"maxReplicas": 99}}, "to 99"
    ),
    "an image": patched(
        "Deployment sample/sleep",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example/next:2"}],
        "spec.template.spec.containers[sleep].image was changed",
        "json",
    ),
    "a variable": patched(
        "Deployment sample/sleep",
        {"spec": {"template": {"spec": {"containers": [{"name": "sleep", "env": [{"name": "X", "value": "1"}]}]}}}},
        "spec.template.spec.containers[sleep].env",
        "strategic",
    ),
    "no sidecar": patched(
        "Deployment sample/sleep",
        {"spec": {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "false"}}}}},
        "spec.template.metadata.labels.sidecar.istio.io/inject = false was added",
        "strategic",
    ),
    "another strategy": patched(
        "Deployment sample/helloworld-v1",
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
        'spec.strategy = {"type": "Recreate"} was added',
    ),
    "no readiness probe": patched(
        "Deployment sample/helloworld-v1",
        [{"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}],
        "spec.template.spec.containers[helloworld].readinessProbe was removed",
        "json",
    ),
    "scaled": Breakage(
        ("--namespace", "sample", "scale", "deployment", "sleep", "--replicas=0"),
        "Deployment sample/sleep",
        "spec.replicas was changed from 1 to 0",
    ),
    # foreign
    "deny all": added(
        "security.istio.io/v1 AuthorizationPolicy istio-system/theirs", {"action": "DENY", "rules": [{}]}, WHOLE_MESH
    ),
    "deny all in a namespace": added("security.istio.io/v1 AuthorizationPolicy sample/theirs", {}, IN_SAMPLE),
    "allow more": added("security.istio.io/v1 AuthorizationPolicy sample/theirs", {"rules": [{}]}, IN_SAMPLE),
    "another mutual TLS": added(
        "security.istio.io/v1 PeerAuthentication sample/theirs", {"mtls": {"mode": "DISABLE"}}, IN_SAMPLE
    ),
    "tokens": added("security.istio.io/v1 RequestAuthentication istio-system/theirs", {}, WHOLE_MESH),
    "sidecar": added(
        "networking.istio.io/v1 Sidecar istio-system/theirs",
        {"egress": [{"hosts": ["./*"]}]},
        "no stack applies it; it is in effect",
    ),
    "envoy filter": added("networking.istio.io/v1alpha3 EnvoyFilter istio-gateway/theirs", {}, "in istio-gateway"),
    "another rule": added("networking.istio.io/v1 DestinationRule sample/theirs", {"host": "helloworld"}, IN_SAMPLE),
    "a route of ours elsewhere": added(
        "networking.istio.io/v1 VirtualService others/theirs",
        {
            "hosts": ["helloworld.sample.svc.cluster.local"],
            "http": [{"route": [{"destination": {"host": "x"}}]}],
        },
        "it is in effect for helloworld.sample.svc.cluster.local",
    ),
    "a gateway of ours elsewhere": added(
        "networking.istio.io/v1 Gateway others/theirs",
        {
            "selector": {"istio": "ingressgateway"},
            "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
        },
        "it is in effect in the gateways",
    ),
    "an external service": added(
        "networking.istio.io/v1 ServiceEntry sample/theirs",
        {
            "hosts": ["helloworld.sample.svc.cluster.local"],
            "ports": [{"number": 1, "name": "x"}],
            "resolution": "NONE",
        },
        IN_SAMPLE,
    ),
    "telemetry": added("telemetry.istio.io/v1 Telemetry sample/theirs", {}, IN_SAMPLE, FindingState.WARNING),
    "plugin": added(
        "extensions.istio.io/v1alpha1 WasmPlugin istio-system/theirs", {"url": "oci://x.example/y"}, WHOLE_MESH
    ),
    "network policy": added("networking.k8s.io/v1 NetworkPolicy sample/theirs", {"podSelector": {}}, IN_SAMPLE),
    "a drill's": added(
        "networking.istio.io/v1 Sidecar sample/mesh-drill",
        {"workloadSelector": {"labels": {"app": "helloworld"}}, "egress": [{"hosts": ["*/*"]}]},
        "a mesh drill has made it, and was interrupted unless it still runs",
    ),
    "a webhook that validates": webhook("ValidatingWebhookConfiguration"),
    "a webhook that mutates": webhook(
        "MutatingWebhookConfiguration",
        namespaceSelector={"matchExpressions": [{"key": "istio-injection", "operator": "Exists"}]},
    ),
}


def test_nothing_is_broken(cluster: ApiServer, deployed: KubernetesStack) -> None:
    assert problems(cluster, deployed) == {}


def in_rounds() -> list[dict[str, Breakage]]:
    """Return the breakages in rounds that have none of the same object twice; a webhook refuses others' pods."""
    rounds: list[dict[str, Breakage]] = []
    for name, one in BREAKAGES.items():
        for others in rounds:
            if "Webhook" not in one.finding and one.finding not in [other.finding for other in others.values()]:
                others[name] = one
                break
        else:
            rounds.append({name: one})
    return rounds


ROUNDS = in_rounds()


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_each_breakage_is_found_alone_and_repaired(cluster: ApiServer, deployed: KubernetesStack, number: int) -> None:
    broken = ROUNDS[number].values()
    for one in broken:
        cluster.kubectl(*one.command, text=json.dumps(one.manifest) if one.manifest else None)
    environment = load_without_variables(ENVIRONMENTS[ENVIRONMENT])
    found = {one.name: one for one in object_findings(cluster, deployed, environment, REGION)}
    for finding in found.values():
        repair(cluster, finding)
    assert found.keys() == {one.finding for one in broken}, [one.text for one in found.values()]
    for one in broken:
        assert one.text in found[one.finding].text
        assert found[one.finding].state is one.state
    assert problems(cluster, deployed) == {}


OTHERS = {
    "a policy of another namespace": added("security.istio.io/v1 AuthorizationPolicy others/theirs", {}, ""),
    "a route of another host": added(
        "networking.istio.io/v1 VirtualService others/theirs",
        {"hosts": ["other.example.com"], "http": [{"route": [{"destination": {"host": "x"}}]}]},
        "",
    ),
    "a network policy of another namespace": added(
        "networking.k8s.io/v1 NetworkPolicy others/theirs", {"podSelector": {}}, ""
    ),
}


def test_what_is_not_in_effect_is_no_finding(cluster: ApiServer, deployed: KubernetesStack) -> None:
    manifests = [json.dumps(one.manifest) for one in OTHERS.values()]
    cluster.kubectl("create", "-f", "-", text="\n---\n".join(manifests))
    try:
        assert problems(cluster, deployed) == {}
    finally:
        cluster.kubectl("delete", "-f", "-", text="\n---\n".join(manifests))
