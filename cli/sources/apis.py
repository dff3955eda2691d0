"""Which Google Cloud APIs are enabled."""

from collections.abc import Set

from cli.report.findings import Finding, failure, ok
from cli.sources.google import ApiError, GoogleClient
from config import Environment

FIRST = ("cloudresourcemanager", "serviceusage")
"""The APIs without which the network stack can't enable the others."""

OTHERS = "other APIs"


def enabled_apis(google: GoogleClient) -> frozenset[str] | ApiError:
    """Return the names of all enabled APIs, such as ``compute``.

    Raises:
        MeshError: There are no credentials.
    """
    try:
        query = {"filter": "state:ENABLED", "pageSize": "200"}
        found = google.list_items("services", f"projects/{google.project}/services", "services", **query)
        return frozenset(
            one["config"]["name"].removesuffix(".googleapis.com") for one in found if one.get("state") == "ENABLED"
        )
    except ApiError as error:
        return error


def check(environment: Environment, google: GoogleClient, enabled: Set[str] | ApiError) -> list[Finding]:
    """Check that the APIs are enabled, or will be.

    Args:
        environment: The environment.
        google: The client.
        enabled: The result of `enabled_apis`.
    """
    project = google.project
    enable = f"gcloud services enable {' '.join(f'{name}.googleapis.com' for name in FIRST)} --project {project}"
    if isinstance(enabled, ApiError):
        if enabled.api_is_off:
            return [failure("serviceusage", "disabled, so that no other API can be enabled", enable)]
        fix = "check that this machine can reach Google's APIs, and run the command again"
        if enabled.status == 403:
            fix = f"have roles/serviceusage.serviceUsageAdmin granted to you in {project}, and run the command again"
        return [failure("serviceusage", f"can't list the enabled APIs: {enabled}", fix)]
    found = [
        ok(name, "enabled") if name in enabled else failure(name, "disabled, and required before a deploy", enable)
        for name in FIRST
    ]
    wanted = [name for name in environment.apis if name not in FIRST]
    off = [name for name in wanted if name not in enabled]
    if not off:
        return [*found, ok(OTHERS, f"all {len(wanted)} enabled")]
    text = f"{len(wanted) - len(off)} of {len(wanted)} enabled; the network stack enables {', '.join(off)}"
    return [*found, ok(OTHERS, text)]
