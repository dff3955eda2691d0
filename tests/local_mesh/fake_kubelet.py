"""Serves ``kubectl exec``, ``logs`` and ``port-forward`` for a region's pods."""

import os
import shlex
from pathlib import Path

from tests.local_mesh.cluster import KUBELET_PORT, ClusterSite
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.network import LabNetwork
from tests.local_mesh.processes import Program
from tests.local_mesh.toolchain import Toolchain

_IN_POD = """#!/bin/sh
# NAMESPACE POD CONTAINER COMMAND...: runs a command in the network of a pod, with its hosts file.
set -eu
network={namespaces}.$2
hosts={hosts}
[ -e "$network" ] || {{ echo "no pod $2 runs here" >&2; exit 1; }}
shift 3
exec unshare --mount sh -c 'mount --bind "$1" /etc/hosts && shift && exec nsenter --net="$@"' \\
  sh "$hosts" "$network" -- "$@"
"""

_PILOT_AGENT = """#!/bin/sh
# request GET|POST PATH: asks the pod's Envoy, as the program of this name does in an injected container.
set -eu
[ "$1" = request ] || {{ echo "only 'request' works here" >&2; exit 1; }}
exec curl --silent --show-error --fail --request "$2" "http://localhost:{admin}/$3"
"""

ADMIN_PORT = 15000


def serve_pods(
    site: ClusterSite,
    namespace: Namespace,
    *,
    network: LabNetwork,
    hosts: Path,
    tools: Toolchain,
    folder: Path,
    logs: Path,
    log: Path,
) -> Program:
    """Start the server that the API server calls for requests to a pod.

    A command is the machine's own, as there is no container image.

    Args:
        site: of the cluster.
        namespace: of the region.
        network: has the pods' namespaces.
        hosts: file that pods read as ``/etc/hosts``.
        tools: the toolchain.
        folder: for the program that enters a pod, and for those that only its containers have.
        logs: folder of the pods' logs.
        log: file of its output.
    """
    folder.mkdir(parents=True)
    script = folder / "in-pod"
    pods = shlex.quote(str(network.pod(site.key).path))
    script.write_text(_IN_POD.format(namespaces=pods, hosts=shlex.quote(str(hosts))), encoding="utf-8")
    script.chmod(0o755)
    agent = folder / "programs" / "pilot-agent"
    agent.parent.mkdir()
    agent.write_text(_PILOT_AGENT.format(admin=ADMIN_PORT), encoding="utf-8")
    agent.chmod(0o755)
    return Program(
        f"fake kubelet of {site.key}",
        [str(tools.path("fake-kubelet")), f"{site.addresses.api_server}:{KUBELET_PORT}", str(script), str(logs)],
        log=log,
        namespace=namespace,
        # Without this machine's settings of curl, such as a proxy.
        variables={"PATH": f"{agent.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "HOME": str(folder)},
    )
