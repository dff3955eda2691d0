"""Whether the Google service accounts of the services exist, and the caller may bind them to their pods."""

from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cli.doctor.credentials import member
from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from config import Environment
from config.grammar.service_account import project_of

RESOURCE = "google_service_account_iam_member"
ROLE = "roles/iam.serviceAccountAdmin"
PERMISSIONS = ("iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.setIamPolicy")
"""What terraform requires on each account. Source: https://cloud.google.com/iam/docs/roles-permissions/iam"""


def check(environment: Environment, google: GoogleClient, enabled: Set[str]) -> list[Finding]:
    """Check each account, which may be another project's.

    Args:
        environment: The environment.
        google: The client.
        enabled: The enabled APIs.

    Raises:
        MeshError: There are no credentials.
    """
    services = environment.services.values()
    emails = dict.fromkeys(one.service_account for one in services if one.service_account is not None)
    if "iam" not in enabled:
        return []  # the section of APIs reports it
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(partial(_check_account, google), emails))


def _check_account(google: GoogleClient, email: str) -> Finding:
    project = project_of(email)
    path = f"projects/{project}/serviceAccounts/{email}:testIamPermissions"
    try:
        granted = google.post("iam", path, {"permissions": PERMISSIONS}).get("permissions", [])
    except ApiError as error:
        if error.status == 404:
            fix = f"gcloud iam service-accounts create {email.partition('@')[0]} --project {project}"
            return failure(email, "the service account does not exist", fix)
        return warning(email, f"unknown: {error}", api_error_fix(error, "iam", project))
    missing = [one for one in PERMISSIONS if one not in granted]
    if not missing:
        return ok(email, f"exists; {ROLE} or its like is granted, for {RESOURCE}")
    fix = (
        f"gcloud iam service-accounts add-iam-policy-binding {email} --project {project} "
        f"--member={member(google)} --role={ROLE}"
    )
    return failure(email, f"the caller lacks {', '.join(missing)}, required by {RESOURCE}", fix)
