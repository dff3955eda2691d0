"""`mesh doctor`: the Google service accounts of services."""

from tests.cli.doctor.diagnosis import DEPLOYER, PROJECT, diagnose, expect
from tests.cli.emulated_project import EmulatedProject

OWN = f"shop-pods@{PROJECT}.iam.gserviceaccount.com"
OF_OTHERS = "shop-pods@acme-accounts.iam.gserviceaccount.com"
NEEDED = "iam.serviceAccounts.getIamPolicy, iam.serviceAccounts.setIamPolicy"


def configure(project: EmulatedProject, *emails: str) -> None:
    services = [f"s{n}: {{image: i, port: 80, service_account: {email}}}" for n, email in enumerate(emails)]
    project.configure("ingress:", f"services: {{{', '.join(services)}}}\ningress:")


def test_accounts_of_this_and_of_another_project(project: EmulatedProject) -> None:
    configure(project, OWN, OF_OTHERS, OF_OTHERS)
    create = "gcloud iam service-accounts create shop-pods --project"
    expect(project, OWN, "failure", "the service account does not exist", f"{create} {PROJECT}")
    expect(project, OF_OTHERS, "failure", "the service account does not exist", f"{create} acme-accounts")
    for email, home in ((OWN, PROJECT), (OF_OTHERS, "acme-accounts")):
        project.server.iam.add_of_others(f"projects/{home}/serviceAccounts/{email}")
    found = diagnose(project)
    for email in (OWN, OF_OTHERS):
        found.expect(email, "ok", "exists; ...")


def test_the_caller_needs_permissions_on_each_account(project: EmulatedProject) -> None:
    configure(project, OF_OTHERS)
    project.server.iam.add_of_others(f"projects/acme-accounts/serviceAccounts/{OF_OTHERS}")
    project.server.iam.withheld.update(NEEDED.split(", "))
    fix = (
        f"gcloud iam service-accounts add-iam-policy-binding {OF_OTHERS} --project acme-accounts "
        f"--member=serviceAccount:{DEPLOYER} --role=roles/iam.serviceAccountAdmin"
    )
    text = f"the caller lacks {NEEDED}, required by google_service_account_iam_member"
    expect(project, OF_OTHERS, "failure", text, fix)


def test_without_accounts_there_is_no_section(project: EmulatedProject) -> None:
    assert "Service accounts" not in str(diagnose(project).data)
