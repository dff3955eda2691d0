"""`mesh doctor`: project, billing and APIs."""

import pytest

from tests.cli.doctor.diagnosis import PROJECT, expect
from tests.cli.emulated_project import EmulatedProject


def test_a_project_that_is_not_there(project: EmulatedProject) -> None:
    project.configure(PROJECT, "other-project")
    fix = "gcloud projects list; then correct project.id"
    expect(project, "project", "failure", "other-project does not exist", fix)


def test_a_project_on_its_way_out(project: EmulatedProject) -> None:
    project.server.resource_manager.state = "DELETE_REQUESTED"
    expect(project, "project", "failure", f"{PROJECT} is DELETE_REQUESTED", f"gcloud projects undelete {PROJECT}")


def test_nobody_pays(project: EmulatedProject) -> None:
    project.server.resource_manager.billing = False
    fix = f"gcloud billing projects link {PROJECT} --billing-account=ACCOUNT_ID"
    expect(project, "billing", "failure", "disabled", fix)


@pytest.mark.parametrize("api", ["cloudresourcemanager", "serviceusage"])
def test_what_has_to_be_on_first(project: EmulatedProject, api: str) -> None:
    project.server.cloud.store.remove(f"projects/{PROJECT}/services/{api}.googleapis.com")
    enable = "gcloud services enable cloudresourcemanager.googleapis.com"
    name = api if api == "serviceusage" else "project"
    found = expect(project, name, "failure", "...", f"{enable}...--project {PROJECT}")
    found.expect(api, "failure", "...", f"{enable} serviceusage.googleapis.com --project {PROJECT}")


def test_other_apis_are_switched_on_by_the_network_stack(project: EmulatedProject) -> None:
    project.server.cloud.store.remove(f"projects/{PROJECT}/services/meshca.googleapis.com")
    expect(project, "other APIs", "ok", "14 of 15 enabled; the network stack enables meshca")
