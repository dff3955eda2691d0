"""Stack `mesh`: the control plane, endpoint discovery, Multi Cluster Ingress and the inputs of scripts."""

import json
import re
from pathlib import Path

import pytest

from config.crds import ISTIO_CRDS, MCI_CRDS
from config.naming import STACKS, remote_cluster_name
from tests.synthesized import (
    REFERENCE,
    Resource,
    Synthesis,
    environment_of,
    minimal_environment,
    synthesize,
)


def local_exec(resource: Resource) -> Resource:
    (provisioner,) = resource["provisioner"]
    found: Resource = provisioner["local-exec"]
    return found


def test_asmcli_installs_a_managed_control_plane_in_every_cluster(reference: Synthesis) -> None:
    install = reference.one("mesh", "null_resource", "control-plane_install")
    assert set(install["for_each"]) == {"tokyo", "osaka"}
    tokyo = install["for_each"]["tokyo"]
    assert (tokyo["cluster"], tokyo["location"]) == ("matt-tokyo-cluster-1", "asia-northeast1")
    assert tokyo["channel"] == "stable"
    assert local_exec(install)["command"].endswith("/install-mesh.sh")


def test_every_cluster_discovers_endpoints_of_every_other_one(reference: Synthesis, three_regions: Synthesis) -> None:
    grant = reference.one("mesh", "null_resource", "trust_grant")
    assert set(grant["for_each"]) == {"tokyo/osaka", "osaka/tokyo"}
    pair = grant["for_each"]["tokyo/osaka"]
    assert (pair["holder_cluster"], pair["remote_cluster"]) == ("matt-tokyo-cluster-1", "matt-osaka-cluster-1")
    # Belgium is retired.
    pairs = set(three_regions.one("mesh", "null_resource", "trust_grant")["for_each"])
    assert pairs == {"tokyo/iowa", "iowa/tokyo"}


def test_remote_secrets_have_the_private_endpoint(reference: Synthesis) -> None:
    for key, pair in reference.one("mesh", "null_resource", "trust_grant")["for_each"].items():
        remote = key.split("/")[1]
        pattern = rf"https://\${{.*regions_{remote}_cluster_\w+private_cluster_config0private_endpoint}}"
        assert re.fullmatch(pattern, pair["remote_server"])


def test_a_remote_secret_has_the_name_of_asmcli() -> None:
    assert remote_cluster_name("p-1", "asia-northeast1", "c") == "gke-p-1-asia-northeast1-c"
    long = remote_cluster_name("a-very-long-project-id-of-30-ch", "northamerica-northeast1", "matt-tokyo-cluster-1")
    # echo gke-a-very…-cluster-1 | sha256sum | head -c20, as asmcli's generate_secret_name does
    assert long == "gke-a-very-long-project-id-of-30-ch-northa-15936e16e100dabeec6d"
    assert len(long) == 63


def test_multi_cluster_ingress_has_a_config_membership(reference: Synthesis, three_regions: Synthesis) -> None:
    for synthesis, project, key in ((reference, "my-mesh-project", "tokyo"), (three_regions, "shop-mesh-prod", "iowa")):
        feature = synthesis.by_name("mesh", "google_gke_hub_feature")["multiclusteringress"]
        assert feature["location"] == "global"
        membership = feature["spec"]["multiclusteringress"]["config_membership"]
        reference_to = rf"\${{[^}}]*regions_{key}_cluster_\w+fleet0membership_"
        pattern = rf"projects/{project}/locations/{reference_to}location}}/memberships/{reference_to}id}}"
        assert re.fullmatch(pattern, membership)
    assert "servicemesh" in reference.by_name("mesh", "google_gke_hub_feature")


def test_no_agent_gets_more_than_its_own_role(reference: Synthesis) -> None:
    """Multi Cluster Ingress' agent has roles/multiclusteringress.serviceAgent by itself."""
    for stack in STACKS:
        for grant in reference.all(stack, "google_project_iam_member").values():
            assert "gcp-sa-" not in grant["member"]


def test_the_stack_waits_until_the_crds_are_established(reference: Synthesis) -> None:
    wait = reference.one("mesh", "null_resource", "crds_wait")
    assert set(wait["for_each"]["osaka"]["crds"].split()) == set(ISTIO_CRDS)
    assert set(wait["for_each"]["tokyo"]["crds"].split()) == {*ISTIO_CRDS, *MCI_CRDS}
    waits_for = " ".join(wait["depends_on"])
    for part in ("control-plane_install", "trust_check", "google_gke_hub_feature.multi-cluster-ingress"):
        assert part in waits_for
    assert "trust_grant" in " ".join(reference.one("mesh", "null_resource", "trust_check")["depends_on"])


def test_remote_secrets_are_created_after_the_installation(reference: Synthesis) -> None:
    waits_for = " ".join(reference.one("mesh", "null_resource", "trust_grant")["depends_on"])
    assert "control-plane_install" in waits_for
    assert "trust_withdrawal" in waits_for


def test_cleanup_scripts_use_for_each_and_only_their_own_triggers(reference: Synthesis) -> None:
    found = 0
    for resource in reference.scripts("mesh", "ingress").values():
        script = local_exec(resource)
        if script.get("when") != "destroy":
            continue
        found += 1
        assert "for_each" in resource
        references = set(re.findall(r"\$\{([^}]*)\}", json.dumps(script)))
        assert references
        assert all(one.startswith("self.triggers.") for one in references)
        # These do not change for the same resource: a change would run the cleanup.
        holder = {"holder_cluster", "holder_location", "secret_name"}
        assert set(resource["triggers"]) <= {"cluster", "location", *holder, "vpc"}
    assert found == 3


def test_cleanup_scripts_know_their_inputs_without_instances(tmp_path: Path) -> None:
    """With one region there are no pairs; the cleanup of the last removed pair still gets its inputs."""
    alone = synthesize(minimal_environment(a=3), tmp_path)
    withdrawal = alone.one("mesh", "null_resource", "trust_withdrawal")
    assert withdrawal["for_each"] == {}
    assert set(withdrawal["triggers"]) == {"holder_cluster", "holder_location", "secret_name"}
    assert local_exec(withdrawal)["environment"]["SECRET_NAME"] == "${self.triggers.secret_name}"


def test_commands_contain_no_data(reference: Synthesis, three_regions: Synthesis) -> None:
    for synthesis in (reference, three_regions):
        for resource in synthesis.scripts("mesh", "ingress").values():
            assert re.fullmatch(r"assets/scripts/[0-9A-F]{32}/[a-z-]+\.sh", local_exec(resource)["command"])


def test_scripts_do_not_read_the_callers_shell_settings(reference: Synthesis) -> None:
    """With -p bash ignores exported functions, BASH_ENV and SHELLOPTS; no other shell is started before it."""
    for resource in reference.scripts("network", "mesh", "ingress").values():
        assert local_exec(resource)["interpreter"] == ["bash", "-p"]


def test_the_installer_needs_a_checksum(reference: Synthesis, three_regions: Synthesis) -> None:
    install = reference.one("mesh", "null_resource", "control-plane_install")
    assert install["for_each"]["tokyo"]["asmcli_sha256"] == ""
    (check,) = install["lifecycle"]["precondition"]
    assert check["condition"] == '${each.value.asmcli_sha256 != "" || each.value.asmcli_file != ""}'
    assert "| sha256sum" in check["error_message"]
    given = three_regions.one("mesh", "null_resource", "control-plane_install")["for_each"]["tokyo"]["asmcli_sha256"]
    assert len(given) == 64


def test_no_token_in_any_trigger(reference: Synthesis) -> None:
    for resource in reference.scripts("mesh", "ingress").values():
        assert "token" not in json.dumps(resource).lower()


@pytest.mark.parametrize("mode", ["asmcli-managed", "asmcli-in-cluster"])
def test_another_region_runs_no_script_of_existing_regions(tmp_path: Path, mode: str) -> None:
    """Instances of existing regions keep their inputs, so that nothing is replaced."""
    text = REFERENCE.read_text(encoding="utf-8")
    text = text.replace(
        "control_plane: asmcli-managed", f"control_plane: {mode}\n  asmcli: {{version: 1.31.3-asm.9+config1}}"
    )
    assert mode in text
    for folder in ("two", "three"):
        (tmp_path / folder).mkdir()
    another = "regions:\n  seoul:\n    region: asia-northeast3\n    number: 4"
    before = synthesize(environment_of(text), tmp_path / "two")
    after = synthesize(environment_of(re.sub(r"(?m)^regions:$", another, text)), tmp_path / "three")
    more = 0
    assert before.scripts("mesh", "ingress")
    for name, resource in before.scripts("mesh", "ingress").items():
        now = after.scripts("mesh", "ingress")[name]
        assert now["triggers"] == resource["triggers"]
        instances = resource.get("for_each", {})
        assert {key: now["for_each"][key] for key in instances} == instances, name
        more += len(now.get("for_each", {})) - len(instances)
    assert more == 3 + 3 * 4, "an installation, its removal and a wait; a grant, its check and its removal a pair"
