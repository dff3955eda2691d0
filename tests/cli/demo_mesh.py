"""Servers that respond as the demo does, and the commands that send requests to them."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

import pytest
import yaml

from config.paths import ROOT
from tests.cli.invocation import invoke

FAKE_TOOLS = Path(__file__).parent / "fake_tools"
HOST = "helloworld.sample:5000"

Behaviour = Callable[[int], str | int]
"""Returns the version or the HTTP status that the response to a request has, by the request's number from 0."""


class Server(ThreadingHTTPServer):
    """Responds as helloworld does.

    Attributes:
        behaviour: decides on each response.
        numbers: of the requests.
        count: requests so far.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.numbers = itertools.count()
        self.count = 0

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without a look-up of its own name


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self.server.count += 1
        what = self.server.behaviour(next(self.server.numbers))
        status, text = (200, f"Hello version: {what}, instance: x\n") if isinstance(what, str) else (what, "sick\n")
        body = text.encode()
        head = f"HTTP/1.1 {status} It\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self.wfile.write(head + body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.output)
        return content

    @property
    def findings(self) -> dict[str, dict[str, str]]:
        return {one["name"]: one for section in self.report["sections"] for one in section["findings"]}


@dataclass
class DemoMesh:
    """The demo's clients in two regions, and the servers that they reach.

    Attributes:
        folder: of the fake kubectl, with a folder for each region.
        content: of the configuration.
        servers: by region.
    """

    folder: Path
    content: dict[str, Any]
    servers: dict[str, Server] = field(default_factory=dict)

    def serve(self, region: str, behaviour: Behaviour) -> Server:
        """Start a server for a region's requests."""
        server = self.servers[region] = Server(behaviour)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.connect(region, server.server_address[1])
        return server

    def connect(self, region: str, port: Any) -> None:
        """Connect a region's client to a port on loopback, instead of the demo and the public address."""
        target = f"127.0.0.1:{port}"
        lines = [f'connect-to = "{host}:{target}"' for host in (HOST, "198.51.100.7:80")]
        (self.folder / region / ".curlrc").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def config(self) -> Path:
        path = self.folder / "mesh.yaml"
        path.write_text(yaml.safe_dump(self.content, sort_keys=False), encoding="utf-8")
        return path

    def arguments(self, *arguments: str) -> list[str]:
        return [*arguments, "--config", str(self.config), "--kubeconfig", str(self.folder / "kubeconfig")]

    def variables(self) -> Mapping[str, str]:
        path = os.pathsep.join([str(FAKE_TOOLS), os.environ["PATH"]])
        return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "FAKE_CLUSTERS": str(self.folder)}

    def run(self, *arguments: str) -> Result:
        """Run a command of the CLI to its end."""
        result = invoke(self.arguments(*arguments), self.variables(), self.folder)
        return Result(result.returncode, result.stdout, result.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command of the CLI in a process."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *self.arguments(*arguments)],
            cwd=self.folder,
            env=dict(self.variables()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def demo_mesh(folder: Path) -> Iterator[DemoMesh]:
    """Yield the two regions of the sample environment; they have no servers yet."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not on this machine, and the demo's client needs it")
    content = yaml.safe_load((ROOT / "mesh.yaml").read_text(encoding="utf-8"))
    mesh = DemoMesh(folder, content)
    contexts = [{"name": key, "context": {"cluster": key, "user": key}} for key in content["regions"]]
    (folder / "kubeconfig").write_text(yaml.safe_dump({"contexts": contexts}), encoding="utf-8")
    for key in content["regions"]:
        (folder / key).mkdir()
        (folder / key / "replicas").write_text("1", encoding="utf-8")
    try:
        yield mesh
    finally:
        for server in mesh.servers.values():
            server.shutdown()
            server.server_close()
