"""From one version of a service to several, and on to the next one, with the real provider and a real API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.synthesized import Synthesis, environment_of, minimal_configuration, synthesize
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack, Resources, region_resources

NAMESPACE, NAME, REGION = "apps", "cart", "tokyo"
PODS = {"image": "example.com/cart:1", "port": 8080, "namespace": NAMESPACE, "user": 1000}
CANARY = {"weight": 5, "image": "example.com/cart:2", "replicas": 1}

STEPS: tuple[tuple[dict[str, Any], set[str]], ...] = (
    ({"regions": {REGION: {"version": "v1"}}}, {"v1"}),
    ({"versions": {"v1": 95, "v2": CANARY}}, {"v1", "v2"}),
    ({"versions": {"v1": 5, "v2": {**CANARY, "weight": 95}}}, {"v1", "v2"}),
    ({"versions": {"v2": {**CANARY, "weight": 100}}}, {"v2"}),
    ({"versions": {"v2": {**CANARY, "weight": 90}, "v3": {"weight": 10, "image": "example.com/cart:3"}}}, {"v2", "v3"}),
)
"""The service in each step, and the versions that it has then."""


def configured(service: dict[str, Any], folder: Path) -> Synthesis:
    """Return the output for an environment with the service."""
    content = minimal_configuration(**{REGION: 1}) | {"services": {NAME: PODS | service}}
    folder.mkdir()
    return synthesize(environment_of(yaml.safe_dump(content)), folder)


def objects_of(synthesis: Synthesis) -> Resources:
    """Return the resources of the service and of its namespace."""
    found = region_resources(synthesis, REGION, "ingress")
    own = (f"{REGION}_namespace-{NAMESPACE}_", f"{REGION}_service-{NAME}_")
    return {
        kind: {key: one for key, one in named.items() if any(stem in key for stem in own)}
        for kind, named in found.items()
    }


@pytest.fixture
def stack(cluster: ApiServer, tmp_path: Path) -> Iterator[KubernetesStack]:
    """The stack, of which nothing is deployed yet."""
    synthesis = configured({}, tmp_path / "none")
    one = KubernetesStack(tmp_path, synthesis, objects_of(synthesis), cluster.kubeconfig)
    yield one
    cluster.delete(one.manifests().values())


def versions(cluster: ApiServer) -> dict[str, str]:
    """Return the identities of the Deployments, by version."""
    found = cluster.get("--namespace", NAMESPACE, "deployments")["items"]
    return {one["metadata"]["labels"]["version"]: one["metadata"]["uid"] for one in found}


def test_no_version_that_stays_is_created_again(cluster: ApiServer, stack: KubernetesStack, tmp_path: Path) -> None:
    before: dict[str, str] = {}
    for number, (service, expected) in enumerate(STEPS):
        synthesis = configured(service, tmp_path / str(number))
        stack.resources, stack.moved = objects_of(synthesis), synthesis.stacks["ingress"].get("moved", [])
        stack.deploy()
        found = versions(cluster)
        assert found.keys() == expected
        assert {version: found[version] for version in found if version in before} == {
            version: uid for version, uid in before.items() if version in found
        }
        before = found
