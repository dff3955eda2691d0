"""A shell in a running lab."""

import os
import shlex
import subprocess
from pathlib import Path

from harness.isolation import INSIDE, USERS_HOME
from harness.mesh_lab import MeshLab
from harness.toolbox import Toolbox

IN_POD = """#!/bin/sh
# in-pod REGION APP COMMAND...: runs a command in the network of a pod.
set -eu
region=$1 app=$2
shift 2
for pod in {namespaces}/"$region.$app"-*; do
  [ -e "$pod" ] || {{ echo "in-pod: no pod of $app in $region" >&2; exit 1; }}
  exec unshare --mount sh -c 'mount --bind "$1" /etc/hosts && shift && exec nsenter --net="$@"' \\
    sh "{regions}/$region/hosts" "$pod" -- "$@"
done
"""

WELCOME = """
The lab runs until you leave this shell. Try:

  kubectl --context {first} get pods --all-namespaces
  in-pod {first} sleep curl -s helloworld.sample:5000/hello
  in-pod {first} istio-ingressgateway curl -s localhost/hello
  in-pod {first} sleep curl -s localhost:15000/clusters | grep helloworld
  in-pod {first} sleep curl -s localhost:15000/config_dump | istioctl proxy-config routes --file -
  kubectl --context {first} --namespace sample scale deployment --selector app=helloworld --replicas 0

Contexts: {contexts}. Logs: {logs}. For more windows, start tmux here.
"""


def run_shell(lab: MeshLab, tools: Toolbox, state: Path, logs: Path) -> int:
    """Give the user a shell inside and return its status."""
    folder = state / "bin"
    folder.mkdir()
    script = folder / "in-pod"
    namespaces, regions = state / "namespaces" / "pods", state / "regions"
    script.write_text(IN_POD.format(namespaces=shlex.quote(str(namespaces)), regions=str(regions)), encoding="utf-8")
    script.chmod(0o755)
    kubeconfigs = [str(region.cluster.kubeconfig) for region in lab.regions.values()]
    first = next(iter(lab.regions))
    print(WELCOME.format(first=first, contexts=", ".join(lab.regions), logs=logs), flush=True)
    variables = {name: value for name, value in os.environ.items() if name != INSIDE} | {
        "HOME": os.environ[USERS_HOME],
        "KUBECACHEDIR": str(state / "kube-cache"),
        "KUBECONFIG": os.pathsep.join(kubeconfigs),
        "PATH": os.pathsep.join([str(folder), tools.variables()["PATH"]]),
        "PS1": "lab$ ",
    }
    return subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=variables, check=False).returncode
