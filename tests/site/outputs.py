"""The outputs in docs/cli.md: ``python -m tests.site.outputs [NAME…]`` records them with the fake cloud.

Each is what a command prints there. `test_outputs.py` compares the recorded ones with what the commands print now.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from config.apis import APIS
from config.paths import ROOT
from tests.cli.demo_mesh import DemoMesh, demo_mesh
from tests.cli.deployed_mesh import LOCATIONS, PARENT, VPC, deploy
from tests.cli.doctor.diagnosis import CONFIGURATION, INSTALLER, KUBECTL, PROJECT, log_in
from tests.cli.drain.drainable_mesh import drainable
from tests.cli.emulated_project import emulated_project
from tests.cli.invocation import invoke
from tests.cli.repair.interrupted import interrupted_project
from tests.cli.test_drill import Tokyo
from tools.docs.cli_page import OUTPUTS

NEW_PROJECT = ("--project", "acme-mesh-prod", "--region", "asia-northeast1", "--region", "europe-west1")


def init(folder: Path) -> str:
    arguments = ["init", *NEW_PROJECT, "--domain", "shop.example.com", "--output", "prod.yaml"]
    result = invoke(arguments, {"HOME": str(folder)}, folder)
    assert result.returncode == 0, result.stderr
    content = (folder / "prod.yaml").read_text(encoding="utf-8")
    return f"$ mesh {' '.join(arguments)}\n{result.stdout}$ cat prod.yaml\n{content}"


def doctor(folder: Path) -> str:
    (folder / "asmcli").write_bytes(INSTALLER)
    with emulated_project(folder, CONFIGURATION, PROJECT) as project:
        project.enable(*APIS, "cloudbilling")
        log_in(project)
        project.fake_program("kubectl", KUBECTL.format("true"))
        with patch("cli.doctor.command.utc_today", lambda: date(2026, 11, 28)):
            result = project.run("doctor", COLUMNS="200", MESH_OBSERVED_ADDRESS="198.51.100.9")
    return f"$ mesh doctor\n{result.stdout}"


def status(folder: Path) -> str:
    with deploy(folder) as mesh:
        mesh.object("osaka", "PeerAuthentication")["spec"]["mtls"]["mode"] = "PERMISSIVE"
        metadata: dict[str, Any] = {
            "name": "deny-all",
            "namespace": "sample",
            "creationTimestamp": "2026-11-28T03:00:00Z",
        }
        metadata |= {"managedFields": [{"manager": "kubectl-create"}]}
        mesh.add("osaka", {"kind": "AuthorizationPolicy", "metadata": metadata, "spec": {}})
        return f"$ mesh status\n{mesh.run('status').stdout}"


def drain(folder: Path) -> str:
    with deploy(folder) as mesh, drainable(mesh, folder / "cdktf.out"):
        return f"$ mesh drain osaka --yes\n{mesh.run('drain', 'osaka', '--yes').stdout}"


def undrain(folder: Path) -> str:
    with deploy(folder) as mesh, drainable(mesh, folder / "cdktf.out") as region:
        region.set_drained()
        return f"$ mesh undrain osaka --yes\n{mesh.run('undrain', 'osaka', '--yes').stdout}"


def audit(folder: Path) -> str:
    with deploy(folder) as mesh:
        for path in (f"regions/{LOCATIONS['tokyo']}/subnetworks/matt-private-old", "global/addresses/matt-old"):
            link = f"{mesh.gcp.base}/compute/v1/{PARENT}/{path}"
            network = {"network": VPC} if "subnetworks" in path else {}
            mesh.cloud[f"{PARENT}/{path}"] = {"name": path.rpartition("/")[2], "selfLink": link, **network}
        return f"$ mesh audit\n{mesh.run('audit').stdout}"


def repair(folder: Path) -> str:
    with interrupted_project(folder) as interrupted:
        interrupted.lose(interrupted.address("google_compute_subnetwork", "osaka"))
        interrupted.lose(interrupted.address("google_compute_global_address"))
        interrupted.write_states()
        printed = interrupted.project.run("repair", "--yes").stdout
    return "$ mesh repair --yes\n" + re.sub(r"-chdir=\S*/cdktf.out", "-chdir=cdktf.out", printed)


def verify(folder: Path) -> str:
    with demo_mesh(folder) as mesh, patch("cli.traffic.cause.first_cause", lambda *_: None):
        mesh.serve("tokyo", lambda number: "tokyo")
        mesh.serve("osaka", lambda number: 503 if number % 50 == 7 else "osaka")
        return _traffic(mesh, "verify", "locality", "--requests", "200")


def drill(folder: Path) -> str:
    with demo_mesh(folder) as mesh, patch("cli.traffic.drill.WATCHED_SECONDS", 1.0):
        mesh.serve("osaka", lambda number: "osaka")
        mesh.serve("tokyo", Tokyo(folder / "tokyo"))
        return _traffic(mesh, "drill", "tokyo", "--rate", "50")


def _traffic(mesh: DemoMesh, *arguments: str) -> str:
    return f"$ mesh {' '.join(arguments)}\n{mesh.run(*arguments).output}"


RECORDERS: dict[str, Callable[[Path], str]] = {
    one.__name__: one for one in (init, doctor, status, verify, drill, drain, undrain, audit, repair)
}
"""What records the output of each command."""


def record(name: str) -> str:
    """Return the output of a command, as it stands in its file."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {"COLUMNS": "160", "TERM": "dumb"}):
        text = RECORDERS[name](Path(folder))
    text = text.replace(f"{folder}/", "").replace(str(ROOT), "/home/you/mesh")
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def main(names: Iterable[str]) -> int:
    """Write the files of some commands, or of all."""
    for name in names or RECORDERS:
        (OUTPUTS / f"{name}.txt").write_text(record(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
