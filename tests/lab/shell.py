"""A shell in a running lab."""

import os
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

from tests.lab.mesh_cli import MeshCli
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.isolation import INSIDE, USERS_HOME

WELCOME = """
The lab runs until you exit this shell. Examples:

  kubectl --context {first} get pods --all-namespaces
  kubectl --context {first} --namespace sample exec deploy/sleep -- curl -s helloworld.sample:5000/hello
  kubectl --context {first} --namespace sample exec deploy/sleep -- curl -s http://{ingress}/hello
  kubectl --context {first} --namespace sample exec deploy/sleep -- curl -s localhost:15000/clusters
  kubectl --context {first} --namespace sample exec deploy/sleep -- curl -s localhost:15000/config_dump |
    istioctl proxy-config routes --file -
  mesh verify locality --kubeconfig "$KUBECONFIG"
  mesh verify ingress --url http://{ingress}/hello --kubeconfig "$KUBECONFIG"
  mesh drill {first} --kubeconfig "$KUBECONFIG"
  kubectl --context {first} --namespace sample scale deployment --selector app=helloworld --replicas 0

Contexts: {contexts}. Logs: {logs}. For more terminals in the lab, run tmux here.
"""


def run_shell(lab: LocalMesh, mesh_cli: MeshCli, *, ingress: IPv4Address, state: Path, logs: Path) -> int:
    """Open a shell inside and return its exit status.

    Args:
        lab: the running mesh.
        mesh_cli: with the lab's configuration and kubeconfig.
        ingress: address of the fake load balancer.
        state: folder of everything that is deleted with the lab.
        logs: folder of the programs' logs.
    """
    first = next(iter(lab.regions))
    print(WELCOME.format(first=first, ingress=ingress, contexts=", ".join(lab.regions), logs=logs), flush=True)
    variables = {name: value for name, value in mesh_cli.variables().items() if name != INSIDE} | {
        "HOME": os.environ[USERS_HOME],
        "KUBECACHEDIR": str(state / "kube-cache"),
        "KUBECONFIG": str(mesh_cli.kubeconfig),
        "PS1": "lab$ ",
    }
    return subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=variables, check=False).returncode
