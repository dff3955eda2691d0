"""Commands of the CLI for a service with several versions in a region, or with weights for the regions."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from cli.errors import MeshError
from cli.report.findings import FindingState
from cli.sources.kubernetes import ClusterClient
from cli.sources.member import ObservedCluster
from cli.sources.proxies import ProxyEndpoint
from cli.sources.proxy_state import ObservedProxy
from cli.status import data_path, services
from cli.traffic.counts import ResponseCounts
from cli.traffic.expectation import Expectation
from cli.traffic.faults import FaultySubject
from cli.traffic.options import FaultKind, VerifyStep
from cli.traffic.target import ONLY_VERSION, Target
from config.environment import Environment
from tests.synthesized import REFERENCE, environment_of

CART: dict[str, Any] = {"image": "example.com/cart:1", "port": 8080, "versions": {"v1": 90, "v2": 10}}
WEIGHTS = {"tokyo": {"tokyo": 80, "osaka": 20}}
HOST = "cart.apps.svc.cluster.local"


def environment(**changes: Any) -> Environment:
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8")) | {"services": {"cart": CART | changes}}
    return environment_of(yaml.safe_dump(content, sort_keys=False))


def expectation(step: VerifyStep, pods: dict[str, dict[str, int]], requests: int = 100, **changes: Any) -> Expectation:
    return Expectation(step, Target.of(environment(**changes), "cart"), requests, 0.99, 2, pods)


def counts(**regions: int) -> ResponseCounts:
    return ResponseCounts(sum(regions.values()), regions, 0, {}, [])


def test_verify_expects_the_weights_of_a_region() -> None:
    expected = expectation(VerifyStep.LOCALITY, {}, region_weights=WEIGHTS)
    assert expected.shares("tokyo") == {"osaka": 0.2, "tokyo": 0.8}
    assert expected.shares("osaka") == {}
    assert expected.check("tokyo", counts(tokyo=80, osaka=20)).state is FindingState.OK
    found = expected.check("tokyo", counts(tokyo=99, osaka=1))
    assert found.state is FindingState.FAILURE
    assert "other shares than configured" in found.text
    assert expected.check("osaka", counts(osaka=100)).state is FindingState.OK
    assert expected.check("osaka", counts(osaka=99, tokyo=1)).state is FindingState.FAILURE
    with pytest.raises(MeshError) as refused:
        replace(expected, requests=10).check_sample_size(["tokyo", "osaka"])
    assert refused.value.fix == "mesh verify locality --requests 25"
    replace(expected, requests=10).check_sample_size(["osaka"])


def test_a_split_of_versions_follows_weights_and_pods() -> None:
    pods = {"tokyo": {"v1": 1, "v2": 3}, "osaka": {"v1": 1, "v2": 1}}
    expected = expectation(VerifyStep.SPLIT, pods, failover=False)
    assert expected.shares("tokyo") == pytest.approx({"tokyo": 0.9 / 2 + 0.1 * 3 / 4, "osaka": 0.9 / 2 + 0.1 / 4})
    assert expected.shares("osaka") == expected.shares("tokyo")
    single = expectation(VerifyStep.SPLIT, {"tokyo": {ONLY_VERSION: 3}, "osaka": {ONLY_VERSION: 1}}, versions={})
    assert single.shares("tokyo") == {"osaka": 0.25, "tokyo": 0.75}


class FakeCluster:
    """A cluster whose Deployments have two pods each."""

    region, command = "tokyo", "kubectl"

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.annotations: dict[str, dict[str, str]] = {}

    def find(self, name: str, *_: str) -> dict[str, Any]:
        name = name.partition("/")[2]
        metadata = {"name": name, "namespace": "apps", "annotations": self.annotations.get(name, {})}
        return {"metadata": metadata, "spec": {"replicas": 2}}

    def get(self, *_: str) -> dict[str, Any]:
        return {"items": []}

    def run(self, *command: str) -> None:
        self.commands.append(command)


def test_a_drill_removes_the_pods_of_all_versions() -> None:
    cluster = FakeCluster()
    subject = FaultySubject(environment(versions={"v1": 90, "v2": 10}), "cart", cast(ClusterClient, cluster))
    (fault,) = subject.faults(FaultKind.REMOVED)
    assert fault.effect == (
        "cart-v1 is scaled from 2 to 0 replicas and cart-v2 is scaled from 2 to 0 replicas: 4 pods stop"
    )
    fault.prepare()
    fault.inject()
    assert cluster.commands[-1] == (
        *("scale", "deployment/cart-v1", "deployment/cart-v2"),
        *("--namespace", "apps", "--replicas=0"),
    )
    assert len(cluster.commands) == 3, "what the rollback restores is noted on both before"
    scaled = [step.command for step in fault.rollback if step.command[0] == "scale"]
    assert scaled == [
        ("scale", f"deployment/cart-{version}", "--namespace", "apps", "--replicas=2") for version in ("v1", "v2")
    ]
    cluster.annotations["cart-v2"] = {"multi-region-mesh/drill": "2"}
    with pytest.raises(MeshError, match="cart-v2 in tokyo has its annotation"):
        subject.faults(FaultKind.REMOVED)


def member(found: Environment, key: str, pods: tuple[str, ...] = ("v1", "v2"), **live: Any) -> ObservedCluster:
    """Return a cluster with a ready pod of some versions."""
    (region,) = [one for one in found.resolved_regions() if one.key == key]
    ready = [
        {
            "metadata": {"name": f"cart-{one}", "namespace": "apps", "labels": {"app": "cart", "version": one}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for one in pods
    ]
    objects = SimpleNamespace(pods=ready, **live)
    return ObservedCluster(found, region, None, None, objects=cast(Any, objects))


def endpoint(region: str, subset: str, priority: int) -> ProxyEndpoint:
    address = {"asia-northeast1": "10.0.1.2", "asia-northeast2": "10.32.1.2"}[region]
    cluster = f"outbound|8080|{subset}|{HOST}"
    return ProxyEndpoint(cluster, address, 8080, region, "", True, False, priority, 0, 0)


def problem(found: Environment, *endpoints: ProxyEndpoint, pods: tuple[str, ...] = ("v1", "v2")) -> str:
    """Return what a proxy in Tokyo does not know of the service in Osaka."""
    here, there = member(found, "tokyo"), member(found, "osaka", pods)
    named = ("cart", found.services["cart"])
    return data_path._problem(ObservedProxy({}, endpoints=endpoints), here, there, named)


def test_status_checks_the_endpoints_of_each_version() -> None:
    found = environment()
    home, away = "asia-northeast1", "asia-northeast2"
    both = [endpoint(home, "v1", 0), endpoint(away, "v1", 1), endpoint(home, "v2", 0), endpoint(away, "v2", 1)]
    assert problem(found, *both) == ""
    assert problem(found, *both[:3]) == data_path.UNKNOWN
    assert problem(found, *both[:3], pods=("v1",)) == "", "another finding says that v2 is not ready there"
    assert problem(found, *both[:3], endpoint(away, "v2", 0)) == data_path.WRONG_PRIORITY
    unweighted = environment(versions={"v1": 100, "v2": 0})
    assert problem(unweighted, *both[:2]) == ""


def test_with_weights_regions_have_the_same_priority() -> None:
    home, away = "asia-northeast1", "asia-northeast2"
    alike = [endpoint(home, "", 0), endpoint(away, "", 0)]
    assert problem(environment(versions={}), *alike) == data_path.WRONG_PRIORITY
    assert problem(environment(versions={}, region_weights=WEIGHTS), *alike) == ""


def test_status_reports_each_version() -> None:
    def deployment(name: str, available: int) -> dict[str, Any]:
        labels = {"app": "cart"}
        return {
            "metadata": {"name": name, "namespace": "apps", "labels": labels},
            "spec": {"replicas": 2},
            "status": {"availableReplicas": available},
        }

    deployed = {one["metadata"]["name"]: one for one in (deployment("cart-v1", 2), deployment("cart-v0", 2))}
    found = environment()
    here = member(
        found,
        "tokyo",
        deployments=list(deployed.values()),
        deployment=lambda namespace, name: deployed.get(name),
        autoscaler=lambda namespace, name: None,
    )
    findings = list(services._check_deployments(here, "cart", found.services["cart"]))
    assert [(one.name, one.state) for one in findings] == [
        ("service cart, version v1", FindingState.FAILURE),
        ("service cart, version v2", FindingState.FAILURE),
    ]
    assert findings[0].text == "cart-v0 is not configured in this region"
    assert findings[1].text == "the Deployment cart-v2 does not exist"


def test_status_reports_a_version_of_another_pipeline_without_a_pod() -> None:
    found = environment_of_pipeline()
    service = found.services["cart"]
    (ready,) = services._check_pods_of_another_pipeline(member(found, "tokyo"), "cart", service)
    assert ready.state is FindingState.OK
    (missing,) = services._check_pods_of_another_pipeline(member(found, "tokyo", ("v1",)), "cart", service)
    assert missing.text == "no ready pod has the label version=v2, which gets requests"


def environment_of_pipeline() -> Environment:
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    content["services"] = {"cart": {key: value for key, value in CART.items() if key != "image"}}
    return environment_of(yaml.safe_dump(content, sort_keys=False))
