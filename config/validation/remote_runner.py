"""`backend.execution: remote`: what can't work on Terraform Cloud's own machines."""

from collections.abc import Iterator

from config.backend import CloudState
from config.environment import Environment
from config.problems import MISSING, Problem

WHERE = "Terraform Cloud's machines (backend.execution: remote)"


def check_remote_runner(environment: Environment) -> Iterator[Problem]:
    """Check what can't work on machines without tools, whose addresses are published nowhere.

    Sources: https://developer.hashicorp.com/terraform/cloud-docs/run/install-software and
    https://developer.hashicorp.com/terraform/cloud-docs/api-docs/ip-ranges, which lists none of theirs.
    """
    backend = environment.backend
    if not isinstance(backend, CloudState) or backend.execution != "remote":
        return
    if environment.control_plane.runs_local_scripts:
        rule = (
            "means Terraform Cloud's own machines, which have no gcloud, kubectl or istioctl, and "
            f"mesh.control_plane: {environment.mesh.control_plane} runs scripts that need them; choose "
            "mesh.control_plane: fleet, which needs none, or agents of yours (execution: agent)"
        )
        yield Problem("backend.execution", rule, backend.execution)
    if environment.project.impersonate_service_account is None:
        rule = f"is needed on {WHERE}: they have no gke-gcloud-auth-plugin, which makes the clusters' tokens without it"
        yield Problem("project.impersonate_service_account", rule, MISSING)
    if environment.cluster.endpoint != "dns":
        rule = f"must be dns for {WHERE}: no authorized network can name them, and they are outside the VPC"
        yield Problem("cluster.endpoint", rule, environment.cluster.endpoint)
