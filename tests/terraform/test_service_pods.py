"""Keys of a service's pods, with the real provider and a real API server.

The API server leaves out empty and default fields, and writes amounts in another way. Neither may fail an apply, or be
in the next plan.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.naming import MANIFEST_ANNOTATION
from config.services.pods import RegionalDeployment
from config.services.service import Service
from tests.local_mesh.toolchain import get_toolchain, is_available
from tests.synthesized import Synthesis
from tests.terraform.api_server import ApiServer, api_server
from tests.terraform.kubernetes_stack import KubernetesStack, Resources, region_resources

NAMESPACE, NAME, VERSION = "apps", "checkout", "v5"

PLAIN: dict[str, Any] = {"image": "example.com/checkout:1", "port": 8080, "namespace": NAMESPACE}

DEFAULTS = {
    "probes": {
        "readiness": {"tcp": True, "period_seconds": 10, "timeout_seconds": 1, "failure_threshold": 3},
        "liveness": {"grpc": "", "initial_delay_seconds": 0},
        "startup": {"http": "/", "port": 8081},
    },
    "env": {"EMPTY": "", "A": {"secret": "a", "key": "b", "optional": False}},
    "env_from": [{"secret": "a"}],
    "args": [""],
    "drain_seconds": 0,
    "grace_seconds": 30,
}
"""Values that the API server has by default, or leaves out."""

AMOUNTS = [
    {"requests": {"cpu": cpu, "memory": memory}, "limits": {"ephemeral_storage": disk}}
    for cpu, memory, disk in (
        ("1000m", "1024Mi", "1000M"),
        ("1.5", "1.5Gi", "1073741824"),
        ("0.001", "134217728000", "0.5Gi"),
        ("2", "64M", "1024Gi"),
    )
]
"""Amounts in the order of a request of CPU and of memory, and a limit of disk space."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, _providers: None) -> Iterator[ApiServer]:
    if not is_available():
        pytest.skip("no toolchain is built: `make lab` does, and then this is tried before a real API server")
    with api_server(tmp_path_factory.mktemp("cluster"), get_toolchain(print)) as running:
        yield running


@pytest.fixture
def stack(cluster: ApiServer, three_regions: Synthesis, tmp_path: Path) -> KubernetesStack:
    """A service of every key, with nothing that waits for its pods."""
    found: Resources = region_resources(three_regions, "iowa", "ingress")
    of_service = {
        name: block | {"depends_on": []}
        for name, block in found["kubernetes_manifest"].items()
        if block["manifest"]["kind"] == "Namespace"
        or (block["manifest"]["kind"] == "Deployment" and block["manifest"]["metadata"]["name"] == f"{NAME}-{VERSION}")
    }
    assert {block["manifest"]["kind"] for block in of_service.values()} == {"Namespace", "Deployment"}
    namespaces = {name: one for name, one in of_service.items() if one["manifest"]["kind"] == "Namespace"}
    for name, block in of_service.items():
        if name not in namespaces:
            block["depends_on"] = [f"kubernetes_manifest.{one}" for one in namespaces]
    return KubernetesStack(tmp_path, three_regions, {"kubernetes_manifest": of_service}, cluster.kubeconfig)


def pod_of(cluster: ApiServer, name: str) -> Any:
    return cluster.get("--namespace", NAMESPACE, "deployment", name)["spec"]["template"]["spec"]


def contains(found: Any, own: Any) -> bool:
    """Return whether an object has all that a manifest has."""
    if isinstance(own, dict):
        return isinstance(found, dict) and all(contains(found.get(key), value) for key, value in own.items())
    if isinstance(own, list):
        return isinstance(found, list) and len(own) == len(found) and all(map(contains, found, own))
    return bool(found == own)


def test_every_key_is_applied_changed_and_taken_away(
    cluster: ApiServer, stack: KubernetesStack, plain_text: Callable[[Any], Any]
) -> None:
    from constructs.service_deployment import deployment_manifest  # noqa: PLC0415 (starts Node.js)

    ((_, full),) = stack.manifests("Deployment").items()
    name, every_key = full["metadata"]["name"], full["spec"]

    def deploy(spec: Any) -> None:
        full["spec"] = spec
        full["metadata"]["annotations"][MANIFEST_ANNOTATION] = json.dumps(spec)
        stack.deploy()
        assert contains(pod_of(cluster, name), plain_text(spec["template"]["spec"]))

    def spec_of(keys: dict[str, Any]) -> Any:
        service = Service.model_validate(PLAIN | keys)
        spec = deployment_manifest(NAME, service, RegionalDeployment(version=VERSION), NAMESPACE)["spec"]
        return spec | {"selector": every_key["selector"]}

    deploy(every_key)
    changes: list[dict[str, Any]] = [DEFAULTS, *({"resources": one} for one in AMOUNTS), {}]
    for keys in changes:
        deploy(spec_of(keys))
    (container,) = pod_of(cluster, name)["containers"]
    assert {"args", "command", "envFrom", "livenessProbe", "startupProbe"}.isdisjoint(container)
    deploy(every_key)


@pytest.fixture
def plain_text() -> Callable[[Any], Any]:
    """What terraform makes of escaped text."""
    return lambda node: json.loads(json.dumps(node).replace("$${", "${").replace("%%{", "%{"))
