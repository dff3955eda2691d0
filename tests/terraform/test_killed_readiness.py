"""Terraform is killed while it waits for the mesh of a cluster, with a Job: `mesh repair` gives it the Job back."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.doctor.untracked_objects import ObjectReference
from cli.repair.objects import import_id
from cli.sources.provider_processes import orphaned_providers
from tests.synthesized import Synthesis
from tests.terraform.api_server import ApiServer
from tests.terraform.kubernetes_stack import KubernetesStack, region_resources
from tests.terraform.terraform import APPLY, NO_TOKEN, VARIABLES, run_terraform

pytestmark = pytest.mark.usefixtures("_providers")

REGION = "tokyo"
SECONDS = 180


def test_the_job_of_a_killed_terraform_is_imported(
    cluster: ApiServer, synthesized: Callable[[str], Synthesis], tmp_path: Path
) -> None:
    fleet = synthesized("fleet")
    cluster.kubectl("delete", "namespace", "istio-system")
    stack = KubernetesStack(tmp_path, fleet, region_resources(fleet, REGION, "mesh"), cluster.kubeconfig)
    [(name, job)] = stack.manifests("Job").items()
    metadata = job["metadata"]
    jobs = ("get", "jobs", "--namespace", metadata["namespace"], "--output", "name")
    try:
        with subprocess.Popen(
            ["terraform", *APPLY],
            cwd=tmp_path,
            env={**os.environ, **VARIABLES, **NO_TOKEN},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            deadline = time.monotonic() + SECONDS
            while metadata["name"] not in cluster.kubectl(*jobs):
                assert time.monotonic() < deadline
                assert process.poll() is None
            process.kill()
        for one in orphaned_providers([tmp_path]):
            os.kill(one.pid, signal.SIGKILL)
        assert name not in run_terraform(tmp_path, "state", "list")
        assert "Cannot create resource that already exists" in stack.fail()
        lost = ObjectReference(metadata["namespace"], "Job", metadata["name"], job["apiVersion"])
        run_terraform(tmp_path, "import", f"kubernetes_manifest.{name}", import_id(lost))
        assert " 0 destroyed" in stack.deploy()
    finally:
        cluster.delete(stack.manifests().values())
        cluster.kubectl("create", "namespace", "istio-system")
