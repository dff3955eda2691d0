"""Servers in place of the proxies of a mesh, and the commands that send requests to them."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
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
PUBLIC_ADDRESS = "198.51.100.7"
ELSEWHERE = "elsewhere"
"""In place of a region: an endpoint that belongs to none."""

Behaviour = Callable[[int], str | int]
"""Returns the region or the HTTP status that the response to a request has, by the request's number from 0."""


class Server(ThreadingHTTPServer):
    """The proxy of a region's client: it responds to requests, and counts who has responded as Envoy does.

    Attributes:
        mesh: that it belongs to.
        region: of the client.
        behaviour: decides on each response.
        numbers: of the requests.
        count: requests so far.
        served: successes so far, by region.
        without_counters: the counters can't be read.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, mesh: "DemoMesh", region: str, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mesh = mesh
        self.region = region
        self.behaviour = behaviour
        self.numbers = itertools.count()
        self.count = 0
        self.served: Counter[str] = Counter()
        self.without_counters = False

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without a look-up of its own name

    def respond(self, host: str) -> int:
        """Return the status of the response to a request, and count it."""
        with self.mesh.lock:
            self.count += 1
            what = self.behaviour(next(self.numbers))
            counters = self.mesh.gateways if host == PUBLIC_ADDRESS else self.served
            if isinstance(what, str):
                counters[what] += 1
            elif what < 500:
                counters[self.region] += 1
            if counters is self.mesh.gateways:
                self.mesh.write_gateways()
            return 200 if isinstance(what, str) else what

    def clusters(self) -> str:
        """Return what Envoy's `/clusters` does."""
        lines = []
        with self.mesh.lock:
            for region, (address, locality) in self.mesh.endpoints().items():
                for host in (self.mesh.host, "other.sample.svc.cluster.local"):
                    prefix = f"outbound|{self.mesh.port}||{host}::{address}:{self.mesh.port}"
                    number = self.served[region] if host == self.mesh.host else 77
                    lines += [f"{prefix}::{key}::{value}" for key, value in (("rq_success", number), ("rq_error", 3))]
                    lines += [f"{prefix}::region::{locality}", f"{prefix}::priority::0"]
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        if self.path == "/clusters":
            status, text = (503, "") if self.server.without_counters else (200, self.server.clusters())
        else:
            status, text = self.server.respond(self.headers["Host"]), "It says nothing about itself.\n"
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
    """Clients in two regions, and the servers that they reach.

    Attributes:
        folder: of the fake kubectl, with a folder for each region.
        content: of the configuration.
        host: name of the service by which proxies count.
        port: of the service.
        servers: by region.
        gateways: successes that the gateways of each region have counted.
        lock: held while something is counted.
    """

    folder: Path
    content: dict[str, Any]
    host: str = "helloworld.sample.svc.cluster.local"
    port: int = 5000
    servers: dict[str, Server] = field(default_factory=dict)
    gateways: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def endpoints(self) -> dict[str, tuple[str, str]]:
        """Return address and locality of each region's endpoint, and of one elsewhere."""
        found = {ELSEWHERE: ("192.0.2.1", "mars-north1")}
        for key, region in self.content["regions"].items():
            found[key] = (f"10.{4 * region['number']}.1.2", region["region"])
        return found

    def serve(self, region: str, behaviour: Behaviour) -> Server:
        """Start a server for a region's requests."""
        server = self.servers[region] = Server(self, region, behaviour)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.connect(region, server.server_address[1])
        return server

    def connect(self, region: str, port: Any) -> None:
        """Connect a region's client to a port on loopback, instead of the demo and the public address."""
        service, namespace = self.host.split(".")[:2]
        names = (f"{service}.{namespace}:{self.port}", f"{PUBLIC_ADDRESS}:80", "127.0.0.1:15000")
        lines = [f'connect-to = "{name}:127.0.0.1:{port}"' for name in names]
        (self.folder / region / ".curlrc").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_proxies(self, region: str, **changes: Mapping[str, Any] | None) -> None:
        """Write what Envoy's `/clusters?format=json` returns in the pods of a region.

        Args:
            region: of the pods.
            changes: health by the region of an endpoint, as Envoy has it; None for an endpoint that is not known.
        """
        hosts = [
            {
                "address": {"socket_address": {"address": address, "port_value": self.port}},
                "locality": {"region": locality},
                "health_status": changes.get(key, {}),
            }
            for key, (address, locality) in self.endpoints().items()
            if changes.get(key, {}) is not None
        ]
        cluster = {"name": f"outbound|{self.port}||{self.host}", "host_statuses": hosts}
        file = self.folder / region / "proxy.json"
        file.write_text(json.dumps({"cluster_statuses": [cluster]}), encoding="utf-8")

    def write_gateways(self) -> None:
        """Write what Envoy's `/clusters?format=json` returns in the gateway of each region."""
        for region in self.content["regions"]:
            address, locality = self.endpoints()[region]
            host = {
                "address": {"socket_address": {"address": address, "port_value": self.port}},
                "locality": {"region": locality},
                "stats": [{"name": "rq_success", "value": str(self.gateways[region])}],
            }
            cluster = {"name": f"outbound|{self.port}||{self.host}", "host_statuses": [host]}
            file = self.folder / region / "gateway.json"
            file.with_suffix(".new").write_text(json.dumps({"cluster_statuses": [cluster]}), encoding="utf-8")
            file.with_suffix(".new").replace(file)

    @property
    def config(self) -> Path:
        path = self.folder / "mesh.yaml"
        path.write_text(yaml.safe_dump(self.content, sort_keys=False), encoding="utf-8")
        return path

    def arguments(self, *arguments: str) -> list[str]:
        return [*arguments, "--config", str(self.config), "--kubeconfig", str(self.folder / "kubeconfig")]

    def variables(self) -> Mapping[str, str]:
        path = os.pathsep.join([str(FAKE_TOOLS), os.environ["PATH"]])
        own = {"PATH": path, "PYTHONPATH": str(ROOT), "FAKE_CLUSTERS": str(self.folder)}
        return os.environ | own | {"TMPDIR": str(self.temporary)}

    @property
    def temporary(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "tmp"

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
    mesh.temporary.mkdir()
    for key in content["regions"]:
        (folder / key).mkdir()
        (folder / key / "replicas").write_text("1", encoding="utf-8")
        mesh.write_proxies(key)
    try:
        yield mesh
    finally:
        for server in mesh.servers.values():
            server.shutdown()
            server.server_close()
