"""What holds for all stacks: order, versions, state."""

import json
from pathlib import Path

import pytest

from config.naming import STACKS
from tests.synthesized import REFERENCE, Synthesis, environment_of, load_without_variables, synthesize

BEFORE = {"network": [], "clusters": ["network"], "mesh": ["network", "clusters"], "ingress": ["clusters", "mesh"]}


@pytest.mark.parametrize("stack", STACKS)
def test_order(reference: Synthesis, stack: str) -> None:
    manifest = json.loads((reference.outdir / "manifest.json").read_text(encoding="utf-8"))
    assert sorted(manifest["stacks"][stack]["dependencies"]) == sorted(BEFORE[stack])


def test_provider_versions_are_pinned(reference: Synthesis) -> None:
    versions = {
        name: one["version"]
        for content in reference.stacks.values()
        for name, one in content["terraform"]["required_providers"].items()
    }
    assert versions == {"google": "6.50.0", "kubernetes": "2.38.0", "null": "3.2.4"}


def test_calls_are_batched_and_do_not_wait_long_for_company(reference: Synthesis) -> None:
    for content in reference.stacks.values():
        (provider,) = content["provider"]["google"]
        assert provider["batching"] == [{"enable_batching": True, "send_after": "1s"}]


def test_local_state_is_beside_the_configuration(reference: Synthesis) -> None:
    for stack in STACKS:
        path = reference.stacks[stack]["terraform"]["backend"]["local"]["path"]
        assert path == f"../../../terraform.{stack}.tfstate"
        folder = reference.outdir / "stacks" / stack
        assert (folder / path).resolve() == reference.outdir.parent.resolve() / f"terraform.{stack}.tfstate"


def test_readers_find_the_state_where_it_is_written(reference: Synthesis) -> None:
    read = reference.stacks["mesh"]["data"]["terraform_remote_state"]
    assert read["cross-stack-reference-input-clusters"]["config"]["path"] == "../../../terraform.clusters.tfstate"


def test_another_configuration_is_another_state(tmp_path: Path) -> None:
    """Deploying staging must never plan against the state of production."""
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


def test_a_region_may_be_called_as_anything_else_here(tmp_path: Path) -> None:
    """A key is no other construct's id: not a stack's, not a part's, not a service's."""
    keys = ["apis", "vpc", "firewall", "pods", "cleanup", "address", "default", "service-a", "regions", "url", "a-b"]
    regions = "".join(f"  {key}: {{region: x-y{n}, number: {n}}}\n" for n, key in enumerate(keys))
    services = "".join(
        f"  {key}: {{image: i, port: 80}}\n" for key in ("gateway", "a", "b", "access", "namespace-apps")
    )
    text = f"project: {{id: test-project}}\nregions:\n{regions}ingress: {{config_cluster: vpc, plain_http: true}}\n"
    text += f"services:\n{services}demo: {{versions: {{vpc: v1}}}}\ncluster: {{endpoint: dns}}\n"
    synthesis = synthesize(environment_of(text), tmp_path)
    assert len(synthesis.all("clusters", "google_container_cluster")) == len(keys)
    assert len(synthesis.objects("vpc")) == len(synthesis.objects("apis")) + len(
        ["Deployment", "ServiceAccount", "AuthorizationPolicy", "MCI", "MCS", "BC"]
    )
