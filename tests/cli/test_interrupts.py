"""`mesh status --json` ends at once when it is stopped, with JSON, also while a call gets no response."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from config.paths import ROOT

KUBECTL = """#!/bin/sh
case "$*" in *" proxy "*) exit 1 ;; esac
echo $$ >> {folder}/pids
exec sleep 60
"""


@pytest.mark.process
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_call_without_a_response(tmp_path: Path, number: signal.Signals, status: int) -> None:
    kubectl, pids = tmp_path / "kubectl", tmp_path / "pids"
    kubectl.write_text(KUBECTL.format(folder=tmp_path), encoding="utf-8")
    kubectl.chmod(0o755)
    contexts = [{"name": "tokyo"}, {"name": "osaka"}]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump({"contexts": contexts}), encoding="utf-8")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "NO_GCE_CHECK": "true"}
    command = [sys.executable, "-m", "cli", "status", "--json", "--config", str(ROOT / "mesh.yaml")]
    command += ["--kubeconfig", str(tmp_path / "kubeconfig")]
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not pids.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        start = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=50)
    try:
        assert process.returncode == status
        assert json.loads(output)["error"]["message"] == "interrupted"
        assert time.monotonic() - start < 5
    finally:
        for one in pids.read_text(encoding="utf-8").split():
            os.kill(int(one), signal.SIGKILL)
