"""A `kubectl proxy` runs until the end of a block, and ends also if the CLI is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.sources.api_server import proxied
from config.paths import ROOT

KUBECTL = """#!/bin/sh
echo $$ > {pid}
{does}
"""
SERVES = 'echo "Starting to serve on x"; exec sleep 60'


@pytest.fixture
def kubectl(tmp_path: Path) -> Callable[[str], str]:
    """Give the path of a kubectl that does something, and writes its process id to the file `pid`."""

    def make(does: str) -> str:
        file = tmp_path / "kubectl"
        file.write_text(KUBECTL.format(pid=tmp_path / "pid", does=does), encoding="utf-8")
        file.chmod(0o755)
        return str(file)

    return make


def runs(tmp_path: Path) -> bool:
    """Return whether the kubectl still runs after some time."""
    process = int((tmp_path / "pid").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True


def test_it_ends_with_the_block(kubectl: Callable[[str], str], tmp_path: Path) -> None:
    with proxied({"tokyo": [kubectl(SERVES)]}, os.environ) as servers:
        assert servers.keys() == {"tokyo"}
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)
    assert not runs(tmp_path)


@pytest.mark.process
def test_it_ends_with_a_process_that_is_killed(kubectl: Callable[[str], str], tmp_path: Path) -> None:
    program = f"import os, cli.sources.api_server as a\nwith a.proxied({{'x': [{kubectl(SERVES)!r}]}}, os.environ):\n"
    program += "    print(flush=True)\n    input()\n"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert not runs(tmp_path)


def test_one_that_does_not_start_is_left_out(kubectl: Callable[[str], str]) -> None:
    with proxied({"tokyo": [kubectl("exit 1")], "osaka": ["/nowhere/kubectl"]}, os.environ) as servers:
        assert servers == {}
    with proxied({"tokyo": ["kubectl"]}, {"PATH": "/nowhere"}) as servers:
        assert servers == {}
