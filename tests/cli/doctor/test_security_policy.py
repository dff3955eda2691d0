"""`mesh doctor`: the Cloud Armor policy of the load balancer."""

from tests.cli.doctor.diagnosis import PROJECT, diagnose, expect
from tests.cli.emulated_project import EmulatedProject

PATH = "global/securityPolicies/edge"


def test_a_policy_has_to_exist_and_to_be_one_for_backends(project: EmulatedProject) -> None:
    project.configure("plain_http: true", "plain_http: true, security_policy: edge")
    create = f"gcloud compute security-policies create edge --project {PROJECT}"
    expect(project, "edge", "failure", "the security policy does not exist", create)
    policy = project.add(PATH, kind="compute#securityPolicy", type="CLOUD_ARMOR_EDGE")
    text = "the security policy has the type CLOUD_ARMOR_EDGE; backends require CLOUD_ARMOR"
    expect(project, "edge", "failure", text, "name another one in ingress.security_policy: ...")
    policy["type"] = "CLOUD_ARMOR"
    diagnose(project).expect("edge", "ok", "exists")


def test_without_a_policy_there_is_no_section(project: EmulatedProject) -> None:
    assert "Cloud Armor" not in str(diagnose(project).data)
