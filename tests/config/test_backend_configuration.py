"""`backend`: valid values, names of states, and errors."""

import pytest
import yaml

from config.environment import Environment
from config.loading.load import parse_environment
from tests.config.test_configuration import changed, problems_of

CLOUD = {"type": "cloud", "organization": "acme"}
GCS = {"type": "gcs", "bucket": "states"}

CASES = [
    # value, path of the problem, part of the rule
    ({"type": "s3"}, "backend.type", "one of local, cloud, gcs"),
    (CLOUD | {"execution": "hosted"}, "backend.execution", "one of local, agent, remote"),
    (CLOUD | {"hostname": "https://tfe.acme.example"}, "backend.hostname", "a host name"),
    (CLOUD | {"token": "x"}, "backend.token", "no such key"),
    ({"type": "gcs"}, "backend.bucket", "missing"),
    (GCS | {"credentials": "key.json"}, "backend.credentials", "no such key"),
    (GCS | {"organization": "x"}, "backend.organization", "does not go with"),
    (GCS | {"bucket": "gs://states"}, "backend.bucket", "without gs://"),
    (GCS | {"bucket": "States"}, "backend.bucket", "lower-case letters"),
    (GCS | {"bucket": "states-"}, "backend.bucket", "lower-case letters"),
    (GCS | {"bucket": "ab"}, "backend.bucket", "3 to 63 characters"),
    (GCS | {"bucket": "a" * 64}, "backend.bucket", "3 to 63 characters"),
    (GCS | {"bucket": "a..b"}, "backend.bucket", "a dot beside another dot"),
    (GCS | {"bucket": "192.168.5.4"}, "backend.bucket", "IP address"),
    (GCS | {"bucket": "goog-states"}, "backend.bucket", "goog"),
    (GCS | {"bucket": "my-google-states"}, "backend.bucket", "goog"),
    (GCS | {"bucket": 123}, "backend.bucket", "in quotes"),
    (GCS | {"prefix": "/mesh"}, "backend.prefix", "a folder in a bucket"),
    (GCS | {"prefix": "a/../b"}, "backend.prefix", "a folder in a bucket"),
    (GCS | {"prefix": "a//b"}, "backend.prefix", "a folder in a bucket"),
]


def environment(backend: object, **project: str) -> Environment:
    data = changed("backend", backend)
    data["project"] |= project
    return parse_environment(yaml.safe_dump(data), "test.yaml", {})


@pytest.mark.parametrize(("value", "path", "rule"), CASES)
def test_a_rule(value: object, path: str, rule: str) -> None:
    found = problems_of(changed("backend", value))
    assert list(found) == [path]
    assert rule in found[path]


def test_valid_backends() -> None:
    cloud = CLOUD | {"hostname": "tfe.acme.example", "workspace_prefix": "acme", "execution": "agent"}
    assert environment(cloud).state_name("mesh") == "acme-mesh"
    for bucket in ("states", "a.b.example", f"{'a' * 63}.{'b' * 63}", "under_score"):
        found = environment(GCS | {"bucket": bucket, "prefix": "teams/mesh_1.x"})
        assert found.state_name("mesh") == "teams/mesh_1.x-mesh"


def test_different_environments_have_different_state_names() -> None:
    """An id and a prefix may contain hyphens: with a hyphen as separator, these two would be equal."""
    names = [
        environment(CLOUD, id=project, name_prefix=prefix).state_name("network")
        for project, prefix in (("acme-mesh", "prod-a"), ("acme-mesh-prod", "a"))
    ]
    assert names == ["acme-mesh_prod-a-network", "acme-mesh-prod_a-network"]


def test_requirements_of_remote_runs() -> None:
    data = changed("backend", CLOUD | {"execution": "remote"})
    data["cluster"] |= {"endpoint": "private"}
    found = problems_of(data)
    assert "no gke-gcloud-auth-plugin" in found["project.impersonate_service_account"]
    assert "must be dns" in found["cluster.endpoint"]


@pytest.mark.parametrize("execution", ["local", "agent"])
def test_other_execution_modes_have_no_requirements(execution: str) -> None:
    assert environment(CLOUD | {"execution": execution}).state_name("mesh") == "test-project_matt-mesh"
