"""Which Google Cloud APIs are enabled."""

from collections.abc import Set

from cli.report.findings import Finding, failure, ok
from cli.sources.google import ApiError, GoogleClient
from config import Environment

FIRST = ("cloudresourcemanager", "serviceusage")
"""The APIs without which the network stack can't enable the others."""

OTHERS = "the other APIs"


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
            return [failure("serviceusage", "is off, so that no other API can be switched on", enable)]
        fix = "see that Google's APIs can be reached from here, and try again"
        if enabled.status == 403:
            fix = f"have roles/serviceusage.serviceUsageAdmin granted to you in {project}, and try again"
        return [failure("serviceusage", f"does not say which APIs are on: {enabled}", fix)]
    found = [
        ok(name, "is on") if name in enabled else failure(name, "is off, and has to be on before a deploy", enable)
        for name in FIRST
    ]
    wanted = [name for name in environment.apis if name not in FIRST]
    off = [name for name in wanted if name not in enabled]
    if not off:
        return [*found, ok(OTHERS, f"all {len(wanted)} are on")]
    text = f"{len(wanted) - len(off)} of {len(wanted)} are on; the network stack switches on {', '.join(off)}"
    return [*found, ok(OTHERS, text)]
