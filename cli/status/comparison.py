"""How findings compare the observed state with the configuration."""

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError
from cli.sources.remediation import api_error_fix

GOOGLE_APIS = "Google Cloud APIs"
"""What a finding is about that only these could tell."""


def differs(found: object, configured: object, text: str = "") -> list[str]:
    """Return what is wrong if what was found is not as configured.

    Args:
        found: A value.
        configured: What it should be.
        text: A sentence with the value, in place of the value alone.

    Returns:
        One text, or none if nothing is wrong.
    """
    return [] if found == configured else [f"{text or found}, but {configured} is configured"]


def unknown(name: str, error: ApiError, api: str, project: str) -> Finding:
    """Return the failure of a call that would have shown whether something is right."""
    finding = failure(name, f"unknown: {error}", api_error_fix(error, api, project))
    return finding.about(GOOGLE_APIS) if error.no_response else finding


def gke_status(name: str, status: str, text: str, fix: str) -> Finding:
    """Return how a cluster or a node pool is; while GKE reconciles it, as in an upgrade, it serves."""
    match status:
        case "RUNNING":
            return ok(name, text)
        case "RECONCILING":
            return warning(name, text, fix)
    return failure(name, text, fix)


def on_off(value: bool) -> str:
    """Return a switch as a word."""
    return "on" if value else "off"
