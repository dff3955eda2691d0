"""What to do next, where the same thing helps against several troubles."""

import shlex
from collections.abc import Iterable

from cli.sources.google import ApiError
from cli.sources.kubernetes import ClusterClient

DEPLOY = "cdktf deploy network clusters mesh ingress"
"""It makes what is missing, and puts right what differs from the configuration."""

SERVICES = {"projects": "cloudresourcemanager", "services": "serviceusage", "billing": "cloudbilling"}
"""What an API is called when it is switched on, where that is not our short name for it."""


def api_error_fix(error: ApiError, api: str, project: str) -> str:
    """Return what to do when an API has refused to say something.

    Args:
        api: one of `cli.sources.google.ENDPOINTS`.
    """
    if error.api_is_off:
        return f"gcloud services enable {SERVICES.get(api, api)}.googleapis.com --project {project}"
    if error.status == 403:
        return f"have roles/viewer granted to you in {project}, and try again"
    if error.status == 0:
        return "see that Google's APIs can be reached from here, and try again"
    return "try again in a while"


def unreachable_fix(text: str, cluster: ClusterClient) -> str:
    """Return what to do when a cluster has not answered.

    Args:
        text: what kubectl said last.
    """
    if "(Forbidden)" in text:
        return "have roles/container.admin granted to you, and try again"
    if "Unauthorized" in text or "credentials" in text or "logged in" in text:
        return "gcloud auth application-default login"
    if "certificate" in text or "tls:" in text:
        return f"{cluster.command} cluster-info"
    return "export MESH_OPERATOR_ADDRESS=YOUR_ADDRESS/32, and deploy clusters: only authorized networks get in"


def unmanage_command(membership: str, location: str, project: str) -> str:
    """Return the command by which the fleet lets go of the mesh in one cluster."""
    return (
        f"gcloud container fleet mesh update --management manual --memberships {membership} --location {location} "
        f"--project {project}"
    )


def replace_command(address: str, which: str) -> str:
    """Return the command that has terraform do something again that it takes for done: a deploy would not.

    Args:
        address: of its resource; empty if it is not known.
        which: what to look for then.
    """
    if not address:
        return f"in cdktf.out/stacks/mesh: terraform apply -replace=ADDRESS, {which}"
    return f"terraform -chdir=cdktf.out/stacks/mesh apply -replace='{address}'"


def kubectl_command(cluster: ClusterClient, *words: str) -> str:
    """Return a kubectl command for a person to copy."""
    return f"{cluster.command} {shlex.join(words)}"


def chained(commands: Iterable[str]) -> str:
    """Return commands as one line, each once, in their order."""
    return " && ".join(dict.fromkeys(commands))
