"""A shell in a running lab, and its environment."""

import json
import os
import sys
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path

from config.output_folder import RECORD
from config.paths import ROOT
from tests.lab.deploy import OUTPUT_VARIABLE, SCRIPTS_VARIABLE
from tests.lab.mesh_cli import MeshCli
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.shell import open_shell

WELCOME = """
This is the lab: real Kubernetes control planes, istiod and Envoy, on this machine. It runs until you exit this shell.

  mesh status --kubeconfig "$KUBECONFIG"
  istioctl --context {first} proxy-status
  istioctl --context {first} proxy-config endpoints deploy/sleep.sample
  kubectl --context {first} --namespace sample logs deploy/sleep --container istio-proxy
  kubectl --context {first} --namespace sample exec deploy/sleep -- curl -s helloworld.sample:5000/hello
  kubectl --context {first} --namespace sample port-forward deploy/sleep 15000
  mesh verify ingress --url http://{ingress}/hello --kubeconfig "$KUBECONFIG"
  mesh drill {first} --kubeconfig "$KUBECONFIG"

Exercises: docs/exercises.md. Without a cloud, `cdktf deploy` and `terraform apply` only apply the project's objects.
Contexts: {contexts}. Logs: {logs}. For more terminals in the lab, run tmux here.
"""


def run_shell(lab: LocalMesh, variables: Mapping[str, str], *, ingress: str, state: Path, logs: Path) -> int:
    """Open a shell inside and return its exit status.

    Args:
        lab: the running mesh.
        variables: of `shell_variables`.
        ingress: host or address of the fake load balancer.
        state: folder of everything that is deleted with the lab.
        logs: folder of the programs' logs.
    """
    first = next(iter(lab.regions))
    print(WELCOME.format(first=first, ingress=ingress, contexts=", ".join(lab.regions), logs=logs), flush=True)
    return open_shell("lab", variables, state / "shell")


def shell_variables(lab: LocalMesh, mesh_cli: MeshCli, rendered: Path, folder: Path) -> dict[str, str]:
    """Return the environment in which a user works in the lab.

    Args:
        lab: the running mesh.
        mesh_cli: with the lab's configuration and kubeconfig.
        rendered: output folder of the configuration's synthesis.
        folder: created for programs and files.
    """
    folder.mkdir()
    (rendered / RECORD).write_text(os.path.relpath(mesh_cli.config.resolve(), ROOT) + "\n", encoding="utf-8")
    mesh_cli.write_state(rendered, [f"{one}/{other}" for one, other in permutations(lab.regions, 2)])
    scripts = lab.scripts()
    created = {
        f"{one.key}/{other.key}": scripts.create_variables(one.member, other.member)
        for one, other in permutations(lab.regions.values(), 2)
    }
    file = folder / "scripts.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(created), encoding="utf-8")
    programs = folder / "programs"
    programs.mkdir()
    for name in ("cdktf", "terraform"):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.lab.deploy {name} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    variables = mesh_cli.variables()
    return {
        **variables,
        "KUBECACHEDIR": str(folder / "kube-cache"),
        "KUBECONFIG": str(mesh_cli.kubeconfig),
        "PATH": os.pathsep.join([str(programs), str(ROOT / "tools" / "bin"), variables["PATH"]]),
        OUTPUT_VARIABLE: str(rendered),
        SCRIPTS_VARIABLE: str(file),
    }
