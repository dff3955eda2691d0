"""``python -m tests.lab.deploy cdktf|terraform ARGUMENT...``: those programs, as far as the lab's shell needs them.

There is no cloud here, so they only do what the project does in the clusters: they apply its objects as they were
rendered, and run its script for remote secrets.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from config.synthesized import kubernetes_objects, read_stack
from tests.local_mesh.cluster import FIELD_MANAGER
from tests.local_mesh.remote_secrets import CREATE
from tests.local_mesh.rendered import Object

SCRIPTS_VARIABLE = "LAB_SCRIPTS"
"""Environment variable that names a file: the environment of `CREATE`, for each ``HOST/REMOTE``."""

OUTPUT_VARIABLE = "CDKTF_OUTDIR"

_TARGET = re.compile(r"-(target|replace)=(.+)")
_PAIR = re.compile(r'_grant_\w+\["(.+)"\]$')


def main(program: str, arguments: list[str]) -> int:
    """Run a command and return its exit status."""
    if program == "cdktf" and arguments[:1] == ["deploy"]:
        objects = list(_objects())
        namespaces = [one for one in objects if one[2]["kind"] == "Namespace"]
        for _, region, one in [*namespaces, *(one for one in objects if one not in namespaces)]:
            _apply(region, one)
        return 0
    targets = [found[2] for one in arguments if (found := _TARGET.fullmatch(one))]
    if program != "terraform" or "apply" not in arguments or not targets:
        print("the lab knows `cdktf deploy`, and `terraform apply` with -target or -replace", file=sys.stderr)
        return 2
    known = {address: (region, one) for address, region, one in _objects()}
    for target in targets:
        if target in known:
            _apply(*known[target])
        elif pair := _PAIR.search(target):
            _create_remote_secret(pair[1])
        else:
            print(f"the lab has no {target}", file=sys.stderr)
            return 1
    return 0


def _objects() -> Iterator[tuple[str, str, Object]]:
    """Yield the objects, each after its address and its region's key."""
    yield from kubernetes_objects(read_stack(Path(os.environ[OUTPUT_VARIABLE]), "ingress"))


def _apply(region: str, manifest: Object) -> None:
    command = ["kubectl", "--context", region, "apply", "--server-side", "--force-conflicts"]
    command += ["--field-manager", FIELD_MANAGER, "-f", "-"]
    subprocess.run(command, input=json.dumps(manifest), text=True, check=True)


def _create_remote_secret(pair: str) -> None:
    variables = json.loads(Path(os.environ[SCRIPTS_VARIABLE]).read_text(encoding="utf-8"))
    subprocess.run(CREATE, env=variables[pair], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
