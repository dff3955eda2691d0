"""`mesh doctor`: roles of the caller."""

from pathlib import Path

import pytest

from cli.doctor import permissions, service_accounts
from cli.report.findings import FindingState
from cli.sources.google import GoogleClient
from config.paths import ROOT
from tests.cli.doctor.diagnosis import DEPLOYER, PROJECT, diagnose, expect, in_mode
from tests.cli.emulated_project import EmulatedProject
from tests.synthesized import Synthesis, environment_of, synthesize


@pytest.mark.parametrize("mode", ["asmcli-managed", "fleet"])
def test_each_permission_is_missed(project: EmulatedProject, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    for name, value in {**project.server.variables(), **project.variables}.items():
        monkeypatch.setenv(name, value)
    google = GoogleClient(PROJECT)
    if mode != "asmcli-managed":
        project.set_mode(mode)
    environment = project.environment
    for need in permissions.required_permissions(environment):
        for permission in need.permissions:
            project.server.resource_manager.withheld = {permission}
            found = {one.name: one for one in permissions.check(google, environment)}
            assert found[need.role].state is FindingState.FAILURE
            assert f"lacks {permission}, required by " in found[need.role].text
            assert need.by in found[need.role].text
            assert found[need.role].fix.endswith(f"--role={need.role}")
    project.server.resource_manager.withheld = set()
    assert {one.state for one in permissions.check(google, environment)} == {FindingState.OK}


def test_permissions_in_the_command(project: EmulatedProject) -> None:
    project.server.resource_manager.withheld.update({"gkehub.features.create", "meshconfig.projects.init"})
    role = "roles/gkehub.admin"
    text = "the caller lacks gkehub.features.create, required by google_gke_hub_feature"
    bind = f"gcloud projects add-iam-policy-binding {PROJECT} --member=serviceAccount:{DEPLOYER} --role={role}"
    assert expect(project, role, "failure", text, bind).bad() == [role, "roles/meshconfig.admin"]


def test_the_dns_endpoint_asks_for_a_permission_of_its_own(project: EmulatedProject) -> None:
    project.server.resource_manager.withheld.add("container.clusters.connect")
    expect(project, "roles/container.admin", "ok", "...")
    project.configure("endpoint: public", "endpoint: dns")
    expect(project, "roles/container.admin", "failure", "the caller lacks container.clusters.connect,...", "...")


def test_certificates_of_a_gateway_ask_for_permissions_of_their_own(project: EmulatedProject) -> None:
    role = "roles/certificatemanager.owner"
    project.server.resource_manager.withheld.add("certificatemanager.certs.create")
    assert role not in diagnose(project).findings
    project.configure("plain_http: true", "domains: [shop.example.com], api: gateway")
    expect(project, role, "failure", "the caller lacks certificatemanager.certs.create, required by ...", "...")


def test_every_resource_and_script_has_its_permissions(
    reference: Synthesis, three_regions: Synthesis, tmp_path: Path
) -> None:
    """What the stacks make is what the list is for, no more and no less."""

    def used(*syntheses: Synthesis) -> set[str]:
        contents = [content for synthesis in syntheses for content in synthesis.stacks.values()]
        found = {kind for content in contents for kind in content.get("resource", {}) if kind != "null_resource"}
        return found | {kind for one in contents for kind in one.get("data", {}) if kind.startswith("google_")}

    def needed(mode: str) -> tuple[set[str], int]:
        needs = permissions.required_permissions(environment_of(in_mode(mode)))
        return {need.by for need in needs}, len({one for need in needs for one in need.permissions})

    # Two of them ask nobody.
    scripts = {script.name for script in (ROOT / "scripts").glob("*.sh")} - {"lib.sh", "check-tools.sh"}
    for mode in ("asmcli-managed", "asmcli-in-cluster"):
        by, count = needed(mode)
        assert by | {service_accounts.RESOURCE} == used(reference, three_regions) | scripts
        assert count <= permissions.MOST_AT_ONCE
    fleet = in_mode("fleet").replace("plain_http: true", "domains: [shop.example.com]")  # as three_regions has some
    assert needed("fleet")[0] == used(synthesize(environment_of(fleet), tmp_path))
    folder = tmp_path / "both"
    folder.mkdir()
    both = environment_of(fleet.replace("domains:", "api: both, domains:"))
    assert {need.by for need in permissions.required_permissions(both)} == used(synthesize(both, folder))


def test_every_kind_of_object_has_its_permission(tmp_path: Path) -> None:
    """Where terraform makes the mesh's objects itself; Istio's kinds are third parties'."""
    fleet = environment_of(in_mode("fleet"))
    made = synthesize(fleet, tmp_path).all("mesh", "kubernetes_manifest").values()
    kinds = {one["manifest"]["kind"] for one in made}
    assert {"Job", "ClusterRoleBinding", "ConfigMap"} <= kinds
    granted = {one.lower() for need in permissions.required_permissions(fleet) for one in need.permissions}
    assert [kind for kind in sorted(kinds) if f"container.{kind.lower()}s.create" not in granted] == []
