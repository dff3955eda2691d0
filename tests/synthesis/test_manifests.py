"""Rendered manifests match the schemas of Kubernetes and of the CRDs of Istio and GKE."""

import copy
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from config.paths import ROOT
from config.synthesized import kubernetes_objects
from tests.config.inputs import INPUTS
from tests.synthesized import Synthesis, load_without_variables, synthesize

MANIFESTS = ROOT / "manifests"
SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES_VERSION = "1.33"  # near what GKE's stable channel has
CRD_GROUPS = (
    *("networking.istio.io/", "security.istio.io/"),
    *("cloud.google.com/", "networking.gke.io/v1", "gateway.networking.k8s.io/v1"),
)
OWN_SCHEMAS = {
    "MultiClusterIngress": SCHEMAS / "multi-cluster-ingress.json",
    "MultiClusterService": SCHEMAS / "multi-cluster-service.json",
    "SecretProviderClass": SCHEMAS / "secret-provider-class.json",
    "ServiceExport": SCHEMAS / "service-export.json",
}


def render(file: str, values: dict[str, Any]) -> dict[str, Any]:
    from constructs.manifest_file import render  # noqa: PLC0415 (starts Node.js)

    return render(file, values)


def node() -> str:
    """Return the Node.js of the make targets."""
    path = f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which("node", path=path)
    assert found is not None, "Node.js is missing: run make test"
    return found


def crd_errors(objects: list[dict[str, Any]]) -> list[list[str] | None]:
    """Return the errors of each object by the schema of its CRD."""
    if not (SCHEMAS / "node_modules").is_dir():
        pytest.skip("the schemas are not installed: run make test")
    result = subprocess.run(
        [node(), SCHEMAS / "check.mjs"],
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[list[str] | None] = json.loads(result.stdout)
    assert len(found) == len(objects)
    return found


def problems(objects: list[dict[str, Any]]) -> list[str]:
    """Return the errors of Kubernetes objects by the schemas of their kinds."""
    found: list[str] = []
    custom_resources = []
    for one in objects:
        label = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] in OWN_SCHEMAS:
            schema = json.loads(OWN_SCHEMAS[one["kind"]].read_text(encoding="utf-8"))
            validator = jsonschema.Draft202012Validator(schema)
            found += [f"{label}: {error.message}" for error in validator.iter_errors(one)]
        elif one["apiVersion"].startswith(CRD_GROUPS):
            custom_resources.append(one)
        else:
            try:  # strict: unknown keys are errors; a kind without a schema raises
                kubernetes_validate.validate(one, KUBERNETES_VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{label}: {error.message}")
    for one, errors in zip(custom_resources, crd_errors(custom_resources), strict=True):
        found += [f"{one['kind']}/{one['metadata']['name']}: {text}" for text in errors or []]
    return found


@pytest.fixture(scope="module")
def thresholds(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Services with a failover threshold, which only `fleet` takes."""
    environment = load_without_variables(INPUTS / "right" / "failover-threshold.yaml")
    return synthesize(environment, tmp_path_factory.mktemp("thresholds"))


@pytest.fixture(scope="module")
def gateway(synthesized: Callable[[str], Synthesis]) -> Synthesis:
    """examples/gateway.yaml."""
    return synthesized("gateway")


@pytest.mark.parametrize("environment", ["reference", "three_regions", "thresholds", "gateway"])
def test_every_object_is_valid(environment: str, request: pytest.FixtureRequest) -> None:
    synthesis: Synthesis = request.getfixturevalue(environment)
    objects = synthesis.objects()
    assert len(objects) > 30
    assert problems(objects) == []


@pytest.fixture
def every_object(
    reference: Synthesis, three_regions: Synthesis, thresholds: Synthesis, gateway: Synthesis
) -> list[dict[str, Any]]:
    regions = ((reference, "tokyo"), (three_regions, "iowa"), (thresholds, "tokyo"), (gateway, "tokyo"))
    return [one for synthesis, region in regions for one in synthesis.objects(region)]


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", "spec.template.spec.containers.0.imagePullPolice", "Always"),
        ("Deployment", "spec.replicas", "two"),
        ("Service", "spec.ports.0.port", "http"),
        ("HorizontalPodAutoscaler", "spec.minReplica", 2),
        ("PodDisruptionBudget", "spec.maxUnavailabl", 1),
        ("Role", "rules.0.verb", ["get"]),
        ("DestinationRule", "spec.trafficPolicy.outlierDetection.maxEjectionPercnt", 100),
        ("DestinationRule", "spec.trafficPolicy.outlierDetection.interval", 10),
        ("networking.istio.io/Gateway", "spec.servers.0.port.number", "80"),
        ("gateway.networking.k8s.io/Gateway", "spec.addresses.0.name", "x"),
        ("HTTPRoute", "spec.rules.0.backendRefs.0.port", 0),
        ("HTTPRoute", "spec.parentRefs.0.section", "https"),
        ("HealthCheckPolicy", "spec.default.config.httpHealthCheck.portSpecification", "USE_PORT"),
        ("HealthCheckPolicy", "spec.default.config.httpHealthCheck.path", "/"),
        ("GCPBackendPolicy", "spec.default.connectionDraining.drainingTimeoutSec", 4000),
        ("GCPBackendPolicy", "spec.default.securityPolicyName", "x"),
        ("GCPGatewayPolicy", "spec.default.sslpolicy", "x"),
        ("ServiceExport", "spec", {}),
        ("VirtualService", "spec.http.0.route.0.destination.prt", 80),
        ("PeerAuthentication", "spec.mtls.mode", "strict"),
        ("PeerAuthentication", "spec.mtls.mod", "STRICT"),
        ("AuthorizationPolicy", "spec.rules.0.from.0.principal", "*/ns/a/sa/b"),
        ("AuthorizationPolicy", "spec.action", "PERMIT"),
        ("FrontendConfig", "spec.redirectToHttps.enabled", "true"),
        ("FrontendConfig", "spec.sslpolicy", "x"),
        ("BackendConfig", "spec.healthCheck.requestpath", "/"),
        ("BackendConfig", "spec.securityPolicy.nam", "x"),
        ("BackendConfig", "spec.healthCheck.port", "15021"),
        ("GCPTrafficDistributionPolicy", "spec.default.failoverConfig.failoverHealthThreshold", 101),
        ("GCPTrafficDistributionPolicy", "spec.default.failoverConfig.failoverHealthTreshold", 50),
        ("GCPTrafficDistributionPolicy", "spec.targetRefs.0.name", 1),
        ("MultiClusterService", "spec.template.spec.ports.0.nodePort", 80),
        ("MultiClusterIngress", "spec.template.spec.backend.servicePort", "80"),
    ],
)
def test_an_error_is_found(every_object: list[dict[str, Any]], kind: str, path: str, value: Any) -> None:
    """The schemas reject errors."""
    # The largest object of the kind: a default-deny policy is empty.
    group, _, kind = kind.rpartition("/")
    candidates = [one for one in every_object if one["kind"] == kind and one["apiVersion"].startswith(group)]
    one = copy.deepcopy(max(candidates, key=lambda one: len(json.dumps(one))))
    *steps, last = path.split(".")
    here: Any = one
    for step in steps:
        here = here[int(step)] if step.isdigit() else here[step]
    here[last] = value
    assert len(problems([one])) == 1


def manifest_files() -> list[str]:
    return sorted(str(path.relative_to(MANIFESTS)) for path in MANIFESTS.rglob("*.yaml"))


@pytest.mark.parametrize("file", manifest_files())
def test_a_file_contains_one_object(file: str) -> None:
    documents = list(yaml.safe_load_all((MANIFESTS / file).read_text(encoding="utf-8")))
    assert len(documents) == 1
    assert {"apiVersion", "kind", "metadata"} <= documents[0].keys()


def test_every_file_is_used(synthesized: Callable[[str], Synthesis], thresholds: Synthesis) -> None:
    kinds = {yaml.safe_load((MANIFESTS / file).read_text(encoding="utf-8"))["kind"] for file in manifest_files()}
    assert kinds == {
        one["kind"]
        for found in (*map(synthesized, ("reference", "three_regions", "fleet", "gateway")), thresholds)
        for stack in found.stacks.values()
        for *_, one in kubernetes_objects(stack)
    }
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "constructs").glob("*.py"))
    # Some names have a variable part: f"fleet/readiness-{part}.yaml".
    named = [re.sub(r"\{\w+\}", "[a-z-]+", name) for name in re.findall(r'"([a-z/{}_-]+\.yaml)"', sources)]
    assert [file for file in manifest_files() if not any(re.fullmatch(name, file) for name in named)] == []


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"namespace\.yaml has no value for labels"):
        render("namespace.yaml", {"name": "x"})


def test_a_value_without_a_placeholder_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"namespace\.yaml has no placeholder for colour"):
        render("namespace.yaml", {"name": "x", "labels": {}, "colour": "red"})


def test_a_value_can_not_inject_yaml_or_expressions() -> None:
    nasty = 'x"\nspec: {a: 1}\n---\n${file("/etc/passwd")}%{ for }'
    rendered = render("namespace.yaml", {"name": nasty, "labels": {}})
    assert rendered["metadata"]["name"] == nasty.replace("${", "$${").replace("%{", "%%{")
    assert rendered.keys() == {"apiVersion", "kind", "metadata"}


def test_a_number_stays_a_number() -> None:
    rendered = render("demo/virtual-service.yaml", {"name": "x", "namespace": "n", "path": "/x", "port": 80})
    assert rendered["spec"]["http"][0]["route"][0]["destination"]["port"]["number"] == 80
