"""Which Google Cloud APIs are on."""

from collections.abc import Set

from cli.report.findings import Finding, failure, ok
from cli.sources.google import ApiError, GoogleClient
from config.apis import APIS

FIRST = ("cloudresourcemanager", "serviceusage")
"""What has to be on so that the network stack can switch the others on."""

OTHERS = "the other APIs"


def enabled(google: GoogleClient) -> frozenset[str] | ApiError:
    """Return the names of all that are on, such as ``compute``.

    Raises:
        MeshError: there are no credentials.
    """
    try:
        query = {"filter": "state:ENABLED", "pageSize": "200"}
        found = google.pages("services", f"projects/{google.project}/services", "services", **query)
        return frozenset(
            one["config"]["name"].removesuffix(".googleapis.com") for one in found if one.get("state") == "ENABLED"
        )
    except ApiError as error:
        return error


def check(google: GoogleClient, on: Set[str] | ApiError) -> list[Finding]:
    """Args:
    on: what `enabled` returned.
    """
    project = google.project
    enable = f"gcloud services enable {' '.join(f'{name}.googleapis.com' for name in FIRST)} --project {project}"
    if isinstance(on, ApiError):
        if on.api_is_off:
            return [failure("serviceusage", "is off, so that no other API can be switched on", enable)]
        return [failure("serviceusage", f"does not say which APIs are on: {on}", _seeing(on, project))]
    found = [
        ok(name, "is on") if name in on else failure(name, "is off, and has to be on before a deploy", enable)
        for name in FIRST
    ]
    wanted = [name for name in APIS if name not in FIRST]
    off = [name for name in wanted if name not in on]
    if not off:
        return [*found, ok(OTHERS, f"all {len(wanted)} are on")]
    text = f"{len(wanted) - len(off)} of {len(wanted)} are on; the network stack switches on {', '.join(off)}"
    return [*found, ok(OTHERS, text)]


def _seeing(error: ApiError, project: str) -> str:
    if error.status == 403:
        return f"have roles/serviceusage.serviceUsageAdmin granted to you in {project}, and try again"
    return "see that Google's APIs can be reached from here, and try again"
