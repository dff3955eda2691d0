"""`mesh doctor`: regions, zones and machine types, which Google is asked for."""

from tests.cli.doctor.diagnosis import OSAKA, PROJECT, TOKYO, diagnose, expect
from tests.cli.emulated_project import EmulatedProject

REGION = f"region: {TOKYO}, number: 0"


def test_locations_that_exist(project: EmulatedProject) -> None:
    found = diagnose(project)
    zones = ", ".join(f"{TOKYO}-{letter}" for letter in "abc")
    found.expect("location of tokyo", "ok", f"{TOKYO} has e2-standard-4 in {zones}")
    assert found.of("location of osaka")[0] == "ok"


def test_a_region_that_google_does_not_have(project: EmulatedProject) -> None:
    project.configure(f"region: {TOKYO}", "region: mars-north1")
    text = "Google has no region mars-north1 for this project"
    fix = f"gcloud compute regions list --project {PROJECT}; then correct regions.tokyo.region"
    expect(project, "location of tokyo", "failure", text, fix)


def test_a_zone_that_the_region_does_not_have(project: EmulatedProject) -> None:
    project.configure(REGION, f"{REGION}, zones: [{TOKYO}-a, {TOKYO}-x]")
    text = f"{TOKYO} has no zone {TOKYO}-x"
    fix = f"choose from {TOKYO}-a, {TOKYO}-b, {TOKYO}-c in regions.tokyo.zones"
    expect(project, "location of tokyo", "failure", text, fix)


def test_a_machine_type_that_google_does_not_have(project: EmulatedProject) -> None:
    project.configure(REGION, f"{REGION}, cluster: {{machine_type: q9-quantum-8}}")
    fix = (
        f"gcloud compute machine-types list --project {PROJECT} --filter='name=q9-quantum-8'; then choose a machine "
        "type or regions.tokyo.zones"
    )
    expect(project, "location of tokyo", "failure", f"{TOKYO} has no machine type q9-quantum-8", fix)


def test_a_machine_type_that_a_zone_does_not_have(project: EmulatedProject) -> None:
    project.server.quotas.absent.add(f"{OSAKA}-b/e2-standard-4")
    text = f"{OSAKA}-b has no machine type e2-standard-4, and GKE may choose it"
    expect(project, "location of osaka", "warning", text, "gcloud compute machine-types list ...")
    project.configure(f"region: {OSAKA}, number: 8", f"region: {OSAKA}, number: 8, zones: [{OSAKA}-a, {OSAKA}-b]")
    text = f"{OSAKA}-b has no machine type e2-standard-4"
    expect(project, "location of osaka", "failure", text, "gcloud compute machine-types list ...")
