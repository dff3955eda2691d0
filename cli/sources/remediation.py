"""Remediation that several findings share: what to do next."""

import shlex
from collections.abc import Iterable

from cli.sources.google import ApiError
from cli.sources.kubernetes import ClusterClient
from cli.sources.state import StateResource
from config import Environment

DEPLOY = "cdktf deploy network clusters mesh ingress"
"""Creates what is missing, and corrects what differs from the configuration."""

REPAIR = "mesh repair"
"""Gives terraform back what an interruption has lost."""

SERVICES = {"projects": "cloudresourcemanager", "services": "serviceusage", "billing": "cloudbilling"}
"""The service names of APIs whose short name in `cli.sources.google.ENDPOINTS` is another."""


def api_error_fix(error: ApiError, api: str, project: str) -> str:
    """Return what to do about an error of an API.

    Args:
        error: The error.
        api: One of `cli.sources.google.ENDPOINTS`.
        project: The project's id.
    """
    if error.api_is_off:
        return f"gcloud services enable {SERVICES.get(api, api)}.googleapis.com --project {project}"
    if error.status == 403:
        return f"have roles/viewer granted to you in {project}, and run the command again"
    if error.no_response:
        return "check that this machine can reach Google's APIs, and run the command again"
    return "run the command again in a few minutes"


def unreachable_fix(text: str, cluster: ClusterClient) -> str:
    """Return what to do about a cluster that does not respond.

    Args:
        text: The last line of kubectl's output.
        cluster: The cluster.
    """
    if "(Forbidden)" in text:
        return "have roles/container.admin granted to you, and run the command again"
    if "Unauthorized" in text or "credentials" in text or "logged in" in text:
        return "gcloud auth application-default login"
    if "certificate" in text or "tls:" in text:
        return f"{cluster.command} cluster-info"
    return "authorize this machine: export MESH_OPERATOR_ADDRESS=YOUR_ADDRESS/32 && cdktf deploy network clusters"


def unmanage_command(membership: str, location: str, project: str) -> str:
    """Return the command that ends the fleet's management of the mesh in one cluster."""
    return (
        f"gcloud container fleet mesh update --management manual --memberships {membership} --location {location} "
        f"--project {project}"
    )


def as_deployer(command: str, environment: Environment) -> str:
    """Return a gcloud command that acts as the account which deploys: a person may have none of its roles."""
    account = environment.project.impersonate_service_account
    return command if account is None else f"{command} --impersonate-service-account={account}"


def replace_command(resource: StateResource | None, which: str) -> str:
    """Return the command that has terraform run a script again that its state has as done: a deploy would not.

    Args:
        resource: The script's resource; None if it is not known.
        which: What the script is, for a person to find its address.
    """
    if resource is None:
        return f"in the folder of the mesh stack: terraform apply -replace=ADDRESS, with the address of {which}"
    return f"terraform -chdir={resource.folder} apply -replace='{resource.address}'"


def kubectl_command(cluster: ClusterClient, *words: str) -> str:
    """Return a kubectl command for a person to copy."""
    return f"{cluster.command} {shlex.join(words)}"


def chained(commands: Iterable[str]) -> str:
    """Return commands as one line, each once, in their order."""
    return " && ".join(dict.fromkeys(commands))
