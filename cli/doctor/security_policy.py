"""Whether the Cloud Armor policy that the load balancer refers to exists."""

from collections.abc import Set

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix
from config import Environment

BACKEND = "CLOUD_ARMOR"
"""The type of policy that backends take. Others are for caches, networks and internal services.

Source: `SecurityPolicy.type` in the discovery document of Compute Engine.
"""


def check(environment: Environment, google: GoogleClient, enabled: Set[str]) -> list[Finding]:
    """Check the policy, which no stack creates.

    Args:
        environment: The environment.
        google: The client.
        enabled: The enabled APIs.

    Raises:
        MeshError: There are no credentials.
    """
    name = environment.ingress.security_policy
    if name is None or not environment.ingress.enabled or "compute" not in enabled:
        return []
    project = google.project
    found = google.try_find("compute", f"projects/{project}/global/securityPolicies/{name}")
    if isinstance(found, ApiError):
        return [warning(name, f"unknown: {found}", api_error_fix(found, "compute", project))]
    if found is None:
        fix = f"gcloud compute security-policies create {name} --project {project}"
        return [failure(name, "the security policy does not exist", fix)]
    kind = found.get("type", BACKEND)
    if kind != BACKEND:
        fix = f"name another one in ingress.security_policy: gcloud compute security-policies list --project {project}"
        return [failure(name, f"the security policy has the type {kind}; backends require {BACKEND}", fix)]
    return [ok(name, "exists")]
