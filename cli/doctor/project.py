"""The project and its billing."""

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix

LIST = "gcloud projects list"


def check(google: GoogleClient) -> list[Finding]:
    """Check the project and its billing.

    Raises:
        MeshError: There are no credentials.
    """
    return [check_project(google), check_billing(google)]


def check_project(google: GoogleClient) -> Finding:
    """Check that the project exists and is active."""
    name, project = "project", google.project
    try:
        found = google.find("projects", f"projects/{project}")
    except ApiError as error:
        if error.api_is_off or error.status in (0, 429) or error.status >= 500:
            return failure(name, f"can't read {project}: {error}", api_error_fix(error, "projects", project))
        # Google's error is the same for a project that does not exist and for one without permission.
        return failure(
            name, f"{project} does not exist, or you have no access to it: {error}", f"{LIST}; then correct project.id"
        )
    if found is None:
        return failure(name, f"{project} does not exist", f"{LIST}; then correct project.id")
    state = found.get("lifecycleState", "")
    if state != "ACTIVE":
        return failure(name, f"{project} is {state}", f"gcloud projects undelete {project}")
    return ok(name, f"{project}, number {found.get('projectNumber', 'unknown')}")


def check_billing(google: GoogleClient) -> Finding:
    """Check that billing is enabled.

    Source: https://cloud.google.com/billing/docs/reference/rest/v1/projects
    """
    name, project = "billing", google.project
    try:
        found = google.get("billing", f"projects/{project}/billingInfo")
    except ApiError as error:
        if error.api_is_off:
            fix = api_error_fix(error, "billing", project)
            return warning(name, "unknown: the API cloudbilling.googleapis.com is disabled in the project", fix)
        return warning(name, f"unknown: {error}", f"gcloud billing projects describe {project}")
    if not found.get("billingEnabled"):
        return failure(name, "disabled", f"gcloud billing projects link {project} --billing-account=ACCOUNT_ID")
    return ok(name, "enabled")
