"""A shell in an environment that is deployed to the emulated Google Cloud."""

from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.kubeconfig import merge_kubeconfigs
from tests.local_mesh.shell import open_shell
from tests.rehearsal.context import RehearsalContext

WELCOME = """
This is an emulated Google Cloud on this machine, with {regions} deployed. It runs until you exit this shell.

  mesh status
  mesh doctor
  kubectl --context {first} get pods --all-namespaces
  gcloud container clusters list
  cdktf deploy network clusters mesh ingress --auto-approve
  mesh drill {first}

Configuration: {config}; edit it, and deploy again. Logs: {logs}. For more terminals, run tmux here.
"""


def run_shell(context: RehearsalContext) -> int:
    """Deploy, open a shell, and return its exit status; 1 if the deploy fails."""
    ignore_sigint()
    context.report.progress("deploying network clusters mesh ingress")
    run = context.deployment.deploy()
    if not run.ok:
        print(run.last_lines(), flush=True)
        return 1
    if context.lab is not None:
        context.lab.wait_for_autoscalers()
    clusters = context.cloud.planes.by_region()
    kubeconfig = context.state / "kubeconfig"
    kubectl = str(context.tools.path("kubectl"))
    merge_kubeconfigs([cluster.kubeconfig for cluster in clusters.values()], kubeconfig, kubectl)
    regions = [one.key for one in context.environment.resolved_regions() if not one.retired]
    print(
        WELCOME.format(
            regions=", ".join(regions), first=regions[0], config=context.deployment.config, logs=context.logs
        ),
        flush=True,
    )
    variables = {
        **context.deployment.variables,
        "CDKTF_OUTPUT": str(context.deployment.output),
        "KUBECONFIG": str(kubeconfig),
    }
    return open_shell("rehearsal", variables, context.state / "shell")
