"""`mesh doctor`: project, billing and APIs."""

import pytest

from tests.cli.doctor.diagnosis import PROJECT, configure, diagnose
from tests.cli.emulated_project import EmulatedProject


def test_a_project_that_is_not_there(project: EmulatedProject) -> None:
    configure(project, PROJECT, "other-project")
    found = diagnose(project)
    assert found.of("project") == (
        "failure",
        "there is no project other-project",
        "gcloud projects list; then put project.id right",
    )


def test_a_project_on_its_way_out(project: EmulatedProject) -> None:
    project.server.resource_manager.state = "DELETE_REQUESTED"
    found = diagnose(project)
    assert found.of("project") == (
        "failure",
        f"{PROJECT} is DELETE_REQUESTED",
        f"gcloud projects undelete {PROJECT}",
    )


def test_nobody_pays(project: EmulatedProject) -> None:
    project.server.resource_manager.billing = False
    found = diagnose(project)
    assert found.of("billing") == (
        "failure",
        "is off",
        f"gcloud billing projects link {PROJECT} --billing-account=ACCOUNT_ID",
    )


@pytest.mark.parametrize("api", ["cloudresourcemanager", "serviceusage"])
def test_what_has_to_be_on_first(project: EmulatedProject, api: str) -> None:
    project.server.cloud.store.remove(f"projects/{PROJECT}/services/{api}.googleapis.com")
    found = diagnose(project)
    state, _, fix = found.of(api if api == "serviceusage" else "project")
    assert state == "failure"
    assert fix.startswith("gcloud services enable cloudresourcemanager.googleapis.com")
    assert fix.endswith(f"--project {PROJECT}")
    assert found.of(api)[::2] == (
        "failure",
        f"gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project {PROJECT}",
    )


def test_other_apis_are_switched_on_by_the_network_stack(project: EmulatedProject) -> None:
    project.server.cloud.store.remove(f"projects/{PROJECT}/services/meshca.googleapis.com")
    found = diagnose(project)
    text = "15 of 16 are on; the network stack switches on meshca"
    assert found.of("the other APIs") == ("ok", text, "")
