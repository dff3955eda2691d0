"""All stacks: order, versions and states."""

import json
import os
from pathlib import Path

import pytest
import yaml

from config.naming import STACKS
from tests.synthesized import (
    REFERENCE,
    Synthesis,
    environment_of,
    load_without_variables,
    minimal_configuration,
    synthesize,
)

DEPENDENCIES = {
    "network": [],
    "clusters": ["network"],
    "mesh": ["clusters"],
    "ingress": ["clusters", "mesh"],
}


@pytest.mark.parametrize("stack", STACKS)
def test_order(reference: Synthesis, stack: str) -> None:
    manifest = json.loads((reference.outdir / "manifest.json").read_text(encoding="utf-8"))
    assert sorted(manifest["stacks"][stack]["dependencies"]) == sorted(DEPENDENCIES[stack])


def test_provider_versions_are_pinned(reference: Synthesis) -> None:
    versions = {
        name: one["version"]
        for content in reference.stacks.values()
        for name, one in content["terraform"]["required_providers"].items()
    }
    assert versions == {"google": "6.50.0", "kubernetes": "2.38.0", "null": "3.2.4"}


def test_the_provider_batches_requests_after_a_short_delay(reference: Synthesis) -> None:
    for content in reference.stacks.values():
        (provider,) = content["provider"]["google"]
        assert provider["batching"] == [{"enable_batching": True, "send_after": "1s"}]


def test_a_local_state_is_next_to_the_configuration(reference: Synthesis) -> None:
    for stack in STACKS:
        path = reference.stacks[stack]["terraform"]["backend"]["local"]["path"]
        assert path == f"../../../terraform.{stack}.tfstate"
        folder = reference.outdir / "stacks" / stack
        assert (folder / path).resolve() == reference.outdir.parent.resolve() / f"terraform.{stack}.tfstate"


def test_readers_use_the_path_of_the_state(reference: Synthesis) -> None:
    read = reference.stacks["mesh"]["data"]["terraform_remote_state"]
    assert read["cross-stack-reference-input-clusters"]["config"]["path"] == "../../../terraform.clusters.tfstate"


def test_another_configuration_has_another_state(tmp_path: Path) -> None:
    """A deploy of staging never uses the state of production."""
    synthesis = synthesize(load_without_variables(REFERENCE), tmp_path, config="envs/staging.yaml")
    paths = {stack: synthesis.stacks[stack]["terraform"]["backend"]["local"]["path"] for stack in STACKS}
    assert paths == {stack: f"../../../envs/terraform.staging.{stack}.tfstate" for stack in STACKS}


def test_terraform_cloud(three_regions: Synthesis) -> None:
    for stack in STACKS:
        assert three_regions.stacks[stack]["terraform"]["cloud"] == {
            "hostname": "app.terraform.io",
            "organization": "shop",
            "workspaces": {"name": f"shop-mesh-prod_shop-{stack}"},
        }
    read = three_regions.stacks["ingress"]["data"]["terraform_remote_state"]["cross-stack-reference-input-clusters"]
    assert read["config"]["workspaces"] == {"name": "shop-mesh-prod_shop-clusters"}


def test_a_regions_key_can_equal_other_construct_ids(tmp_path: Path) -> None:
    """Such as the id of a stack, of a component or of a service."""
    keys = ["apis", "vpc", "firewall", "pods", "cleanup", "address", "default", "service-a", "regions", "url", "a-b"]
    services = {key: {"image": "i", "port": 80} for key in ("gateway", "a", "b", "access", "namespace-apps")}
    data = minimal_configuration(**{key: number for number, key in enumerate(keys)})
    data |= {"services": services, "demo": {"versions": {"vpc": "v1"}}}
    data["ingress"]["config_cluster"] = "vpc"
    synthesis = synthesize(environment_of(yaml.safe_dump(data)), tmp_path)
    assert len(synthesis.all("clusters", "google_container_cluster")) == len(keys)
    assert len(synthesis.objects("vpc")) == len(synthesis.objects("apis")) + len(
        ["Deployment", "PodDisruptionBudget", "ServiceAccount", "AuthorizationPolicy", "MCI", "MCS", "BC"]
    )


@pytest.mark.parametrize(
    ("script", "works"), [("echo Terraform v1.12.2", True), ("exit 126", False), (None, False)], ids=str
)
def test_a_terraform_that_cannot_be_run_is_none(
    script: str | None, works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version manager puts a command on the PATH that fails where it has no version to run."""
    from stacks import wiring  # noqa: PLC0415 (starts Node.js)

    if script is not None:
        (tmp_path / "terraform").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "terraform").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nonexistent" if script is None else f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("TERRAFORM_BINARY_NAME", raising=False)
    wiring._terraform_works.cache_clear()
    try:
        assert wiring._terraform_works() == works
    finally:
        wiring._terraform_works.cache_clear()
