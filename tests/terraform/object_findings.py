"""What `mesh status` says of the objects of a real API server, and the commands that it advises."""

import shlex
from pathlib import Path

from cli.report.findings import Finding
from cli.sources.applied import applied_in
from cli.sources.cluster_objects import read_objects
from cli.sources.kubernetes import ClusterClient
from cli.sources.member import ObservedCluster
from cli.sources.state import read_state
from cli.status.command import check_deployed
from config import Environment
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack
from tests.terraform.terraform import run_terraform


def object_findings(cluster: ApiServer, stack: KubernetesStack, environment: Environment, region: str) -> list[Finding]:
    """Return the warnings and failures about a region's objects.

    Args:
        cluster: The API server.
        stack: What is applied to it.
        environment: Whose region it is.
        region: The region's key.
    """
    (resolved,) = (one for one in environment.resolved_regions() if one.key == region)
    flags = ("--kubeconfig", str(cluster.kubeconfig))
    client = ClusterClient(region, flags, cluster.variables, f"kubectl {' '.join(flags)}")
    applied = tuple(one for _, one in applied_in(read_state(stack.state, str(stack.folder)) or ()))
    objects = read_objects(client, {one.key[:2] for one in applied})
    observed = ObservedCluster(environment, resolved, {}, {}, client, objects, applied=applied)
    return [one for one in check_deployed(observed) if one.is_problem]


def run_other_pipelines(cluster: ApiServer, environment: Environment) -> None:
    """Deploy the pods of the services without an image, as another pipeline does, and wait for them."""
    for name, service in environment.services.items():
        if not service.image:
            where = ("--namespace", service.namespace)
            cluster.kubectl(*where, "create", "deployment", name, "--image", "registry.example/other:1")
            cluster.kubectl(*where, "rollout", "status", f"deployment/{name}", "--timeout", "60s")


def repair(cluster: ApiServer, finding: Finding) -> None:
    """Run the command that a finding advises."""
    for command in finding.fix.split(" && "):
        program, *arguments = shlex.split(command)
        if program == "kubectl":
            cluster.kubectl(*arguments[2:])
        else:
            assert program == "terraform", command
            folder, *arguments = arguments
            run_terraform(Path(folder.removeprefix("-chdir=")), *arguments, "-auto-approve")
