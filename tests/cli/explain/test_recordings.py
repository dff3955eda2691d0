"""`mesh explain` names what was broken in a lab: each recording is of one thing that was broken by hand."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from cli.report.findings import Finding, FindingState
from config.naming import MANIFEST_ANNOTATION
from tests.cli.explain.recording import FOLDER, RECORDED, printed_in, replay

CLIENT, GATEWAY = "sample/sleep", "istio-gateway/istio-ingressgateway"
DEPLOY = "cdktf deploy network clusters mesh ingress"
DELETE_ROUTE = "delete virtualservice.networking.istio.io foreign --namespace sample"


@dataclass(frozen=True)
class Cause:
    """What is expected.

    Attributes:
        hops: The names of the hops before it.
        name: Of the finding.
        texts: Parts of what it says.
        fix: The end of its command.
        objects: What it is about.
    """

    hops: str
    name: str
    texts: tuple[str, ...]
    fix: str
    objects: frozenset[str] = frozenset()


ROUTE = frozenset({"VirtualService sample/foreign"})
POLICY = frozenset({"AuthorizationPolicy sample/helloworld"})
RULE = frozenset({"DestinationRule sample/helloworld"})
SERVICE = frozenset({"Service sample/helloworld"})
TO_ROUTE, TO_SERVER = "client listener", "client listener route cluster endpoints"
FOREIGN = "no stack applies it"

CAUSES = {
    "deny": Cause(
        TO_SERVER,
        "authorization",
        ("403", "sample/deny-all, spec.rules[1], denies spiffe://cluster.local/ns/sample/sa/sleep", FOREIGN),
        "delete authorizationpolicy.security.istio.io deny-all --namespace sample",
        frozenset({"AuthorizationPolicy sample/deny-all"}),
    ),
    "principals": Cause(
        TO_SERVER,
        "authorization",
        ("403", "sample/helloworld, spec.rules[0].from does not match", "spec.rules was changed"),
        '"principals": ["*/ns/istio-gateway/sa/istio-ingressgateway", "*/ns/sample/sa/sleep"]}}], '
        '"to": [{"operation": {"ports": ["5000"]}}]}]}}\'',
        POLICY,
    ),
    "policy_missing": Cause(
        TO_SERVER,
        "authorization",
        ("403", "in effect: istio-system/default-deny", "AuthorizationPolicy sample/helloworld is missing"),
        DEPLOY,
        POLICY,
    ),
    "plain_text": Cause(
        TO_SERVER,
        "TLS",
        ("503 UC", "uses plain text", "accepts mutual TLS only", 'spec.trafficPolicy.tls = {"mode": "DISABLE"}'),
        """--type merge --patch '{"spec": {"trafficPolicy": {"tls": null}}}'""",
        RULE,
    ),
    "elsewhere": Cause(
        f"{TO_ROUTE} route", "route", ("requests to kubernetes.default.svc.cluster.local:443",), DELETE_ROUTE, ROUTE
    ),
    "no_host": Cause(
        f"{TO_ROUTE} route", "route", ("503 NC", "nothing.sample.svc.cluster.local:80"), DELETE_ROUTE, ROUTE
    ),
    "no_route": Cause(TO_ROUTE, "route", ("404 NR", "/hello, but for /api*", FOREIGN), DELETE_ROUTE, ROUTE),
    "fault": Cause(f"{TO_ROUTE} route", "fault", ("503 FI for 50 % of the requests",), DELETE_ROUTE, ROUTE),
    "delay": Cause(f"{TO_ROUTE} route", "fault", ("a delay of 2s for 100 %", "fault"), DELETE_ROUTE, ROUTE),
    "timeout": Cause(
        f"{TO_SERVER} server", "timeout", ("504 UT: 3 requests took longer than 0.001s",), DELETE_ROUTE, ROUTE
    ),
    "subset": Cause(
        f"{TO_ROUTE} route cluster",
        "subset",
        ("503 UH: the labels of the subset v3 select no pod", "spec.subsets"),
        """--patch '{"spec": {"subsets": null}}'""",
        RULE,
    ),
    "selector": Cause(
        f"{TO_ROUTE} route cluster",
        "endpoints",
        ("503 UH", "in tokyo the Service's spec.selector (app=x) selects no pod", "in osaka the Service's"),
        """patch service helloworld --namespace sample --patch '{"spec": {"selector": {"app": "helloworld"}}}'""",
        SERVICE,
    ),
    "target_port": Cause(
        TO_SERVER,
        "port",
        ("nothing listens on port 5001", "but on 5000", "targetPort was changed from 5000 to 5001"),
        """--patch '{"spec": {"ports": [{"name": "http", "port": 5000, "targetPort": 5000}]}}'""",
        SERVICE,
    ),
    "sidecar_ingress": Cause(
        TO_SERVER,
        "port",
        ("503 UF", "127.0.0.1:1, where nothing listens", "Sidecar sample/mesh-drill, spec.ingress", FOREIGN),
        "delete sidecar.networking.istio.io mesh-drill --namespace sample",
        frozenset({"Sidecar sample/mesh-drill"}),
    ),
    "unreachable": Cause(
        f"{TO_SERVER} server", "endpoints", ("503 UH", "in osaka", "connections to them failed"), "--since=10m"
    ),
    "service_missing": Cause("client", "service", ("sample/helloworld does not exist in tokyo",), DEPLOY, SERVICE),
    "proxy_down": Cause(
        "", "client", ("the proxy of sample/sleep-", "does not run"), "delete pod sleep-6f4bf5d87d-d5hkh"
    ),
    "not_captured": Cause(
        "",
        "client",
        ("has no sidecar", "the namespace sample has no label istio.io/rev=asm-managed-stable"),
        "delete pod sleep-6f4bf5d87d-pwv44",
        frozenset({"Namespace sample"}),
    ),
}
GATEWAY_CAUSES = {
    "gateway_missing": Cause("client", "listener", ("the gateway has no listener: no Gateway is in effect",), DEPLOY),
    "gateway_no_route": Cause(
        TO_ROUTE, "route", ("404 NR: the proxy has no route for /hello: no VirtualService for it is in effect",), DEPLOY
    ),
    "gateway_deny": Cause(
        TO_ROUTE,
        "authorization",
        ("403", "istio-gateway/deny-gw, spec.rules[0], denies the load balancer at istio-gateway/", FOREIGN),
        "delete authorizationpolicy.security.istio.io deny-gw --namespace istio-gateway",
        frozenset({"AuthorizationPolicy istio-gateway/deny-gw"}),
    ),
}


def _findings(name: str, *sources: str) -> list[Finding]:
    return [one for _, one in replay(name, sources).findings()]


@pytest.mark.parametrize("client", [CLIENT, GATEWAY])
def test_a_right_path(client: str) -> None:
    findings = _findings("healthy", client)
    assert [one.name for one in findings] == [*TO_SERVER.split(), "server"]
    assert not [one for one in findings if one.is_problem]
    assert findings[4].text == "priority 0: 1 of 1 healthy in tokyo; priority 1: 1 of 1 healthy in osaka"
    assert "port 5000, mutual TLS, allowed by AuthorizationPolicy sample/helloworld, spec.rules[0]" in findings[5].text


def test_a_client_that_runs_nowhere() -> None:
    (finding,) = _findings("healthy", "sample/nobody")
    assert finding.state is FindingState.FAILURE
    assert finding.text == "no pod sample/nobody runs in tokyo"


def test_a_timeout_that_the_configuration_has() -> None:
    printed = printed_in("timeout")
    found = next(one["output"] for key, one in printed.items() if "get virtualservice" in key and "foreign" in key)
    manifest = {name: found[name] for name in ("apiVersion", "kind", "spec")}
    manifest["metadata"] = {name: found["metadata"][name] for name in ("name", "namespace")}
    found["metadata"]["annotations"] = {MANIFEST_ANNOTATION: json.dumps(manifest)}
    finding = [one for _, one in replay("timeout", [CLIENT], printed=printed).findings()][-1]
    assert (finding.name, finding.state) == ("timeout", FindingState.WARNING)
    assert "raise services.helloworld.timeout_seconds" in finding.fix


def test_an_expired_certificate() -> None:
    report = replay("healthy", [CLIENT], RECORDED + timedelta(days=2))
    *hops, cause = [one for _, one in report.findings()]
    assert [one.name for one in hops] == ["client"]
    assert (cause.name, cause.state) == ("certificate", FindingState.FAILURE)
    assert "503 UF: the certificate of sample/sleep-" in cause.text
    assert " delete pod sleep-" in cause.fix


def _client_dump(printed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one["output"] for key, one in printed.items() if "exec sleep-" in key and "config_dump" in key
    )
    return {one["@type"].rpartition(".")[2]: one for one in found["configs"]}


@pytest.mark.parametrize("what", ["no route", "no listener for port 5000"])
def test_a_service_that_the_proxy_does_not_know(what: str) -> None:
    """Its Envoy crashed in the lab when a Sidecar took listeners away, so that there is no recording."""
    printed = printed_in("healthy")
    dump = _client_dump(printed)
    if what == "no route":
        routes = [one["route_config"] for one in dump["RoutesConfigDump"]["dynamic_route_configs"]]
        hosts = next(one["virtual_hosts"] for one in routes if one["name"] == "5000")
        hosts[:] = [one for one in hosts if one["name"] == "allow_any"]
    else:
        listeners = dump["ListenersConfigDump"]["dynamic_listeners"]
        listeners[:] = [one for one in listeners if one["name"] != "0.0.0.0_5000"]
    sidecar = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"namespace": "istio-system", "name": "narrow"},
        "spec": {"egress": [{"hosts": ["./*"]}]},
    }
    for namespace, items in (("sample", []), ("istio-system", [sidecar])):
        key = f"--context tokyo get sidecar.networking.istio.io --namespace {namespace} --show-managed-fields"
        printed[f"{key} --output json"] = {"status": 0, "output": {"items": items}, "errors": ""}
    cause = [one for _, one in replay("healthy", [CLIENT], printed=printed).findings()][-1]
    assert cause.state is FindingState.FAILURE
    assert f"has {what} of helloworld.sample.svc.cluster.local" in cause.text
    assert "Sidecar istio-system/narrow, spec.egress, leaves it out; no stack applies it" in cause.text
    assert cause.fix.endswith("delete sidecar.networking.istio.io narrow --namespace istio-system")


@pytest.mark.parametrize("name", [*CAUSES, *GATEWAY_CAUSES])
def test_the_cause_is_found(name: str) -> None:
    expected = CAUSES.get(name) or GATEWAY_CAUSES[name]
    *hops, cause = _findings(name, GATEWAY if name in GATEWAY_CAUSES else CLIENT)
    assert [one.name for one in hops] == expected.hops.split()
    assert not [one for one in hops if one.is_problem], "a cause is reported once"
    assert (cause.state, cause.name) == (FindingState.FAILURE, expected.name)
    for text in expected.texts:
        assert text in cause.text
    assert cause.fix.endswith(expected.fix)
    assert cause.objects == expected.objects


def test_each_recording_has_a_test() -> None:
    assert {one.stem for one in FOLDER.glob("*.json")} == {"healthy", *CAUSES, *GATEWAY_CAUSES}
