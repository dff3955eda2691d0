"""A fake of Google's load balancer: it sends users to the nearest region's healthy gateways, else to other regions'.

It is an Envoy in the lab's own namespace with a port for the users of each region and an address of its own,
`REGIONAL_FRONT_END`, which a region can be cut off from. It does what the objects of the config cluster say: hosts,
paths, redirects, weights and health checks (`front_end`). It retries nothing, and takes changes from files, as the
real one takes them from network endpoint groups: requests under way are not interrupted.
"""

import json
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.local_mesh.front_end import PORT, Endpoints, FrontEnd
from tests.local_mesh.front_end_envoy import (
    ADDRESS,
    assignment,
    backends,
    bootstrap,
    endpoints_file,
    routes,
    routes_file,
)
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.processes import Program
from tests.local_mesh.toolchain import Toolchain

FIRST_PORT = 8001
PIECE = 65_536


class LoadBalancer:
    """The fake load balancer of all regions' users."""

    def __init__(
        self, tools: Toolchain, regions: Sequence[str], folder: Path, log: Path, *, first_port: int = FIRST_PORT
    ) -> None:
        """Prepare it.

        Args:
            tools: the toolchain.
            regions: their keys.
            folder: for its files; it is created.
            log: file of its output.
            first_port: of as many ports as there are regions.
        """
        self._tools, self._folder, self._log = tools, folder, log
        self._ports = {region: first_port + at for at, region in enumerate(regions)}
        self._front_end = FrontEnd()
        self._program: Program | None = None

    def address(self, region: str) -> str:
        """Return address and port for the users near a region."""
        return f"{ADDRESS}:{self._ports[region]}"

    def start(self, front_end: FrontEnd, endpoints: Endpoints) -> None:
        self._folder.mkdir(parents=True)
        self.configure(front_end, endpoints)
        configuration = self._folder / "envoy.json"
        configuration.write_text(json.dumps(bootstrap(self._ports, self._folder)), encoding="utf-8")
        command = [str(self._tools.envoy), "-c", str(configuration), "--disable-hot-restart", "--concurrency", "1"]
        self._program = Program("load balancer", [*command, "--log-level", "warning"], log=self._log)

    def check(self) -> None:
        """Raise a LocalMeshError if it ended."""
        assert self._program is not None, "start it first"
        self._program.check()

    def stop(self) -> None:
        assert self._program is not None, "start it first"
        self._program.kill()

    def configure(self, front_end: FrontEnd, endpoints: Endpoints) -> None:
        """Serve what a front end says from now on.

        Args:
            front_end: the routes and backends.
            endpoints: of the backends.
        """
        self._front_end = front_end
        self.set_endpoints(endpoints)
        self._write("backends.json", backends(front_end, self._ports, self._folder))
        for region in self._ports:
            self._write(routes_file(region), routes(front_end, region))

    def set_endpoints(self, endpoints: Endpoints) -> None:
        """Send new requests to these endpoints only."""
        for backend in self._front_end.backends.values():
            for region in self._ports:
                self._write(endpoints_file(backend.key, region), assignment(backend, region, endpoints))

    def serve(self, region: str, where: Namespace, address: IPv4Address) -> None:
        """Forward connections to an address in a region, in the background.

        Args:
            region: of the users.
            where: the region's namespace, which has the address.
            address: of the load balancer.
        """
        # A socket stays in the namespace in which it was created.
        listener = where.run(lambda: socket.create_server((str(address), PORT)))

        def accept() -> None:
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_forward, args=(client, self._ports[region]), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _write(self, name: str, content: dict[str, Any]) -> None:
        """Write a file if it changes."""
        file, text = self._folder / name, json.dumps(content)
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return
        draft = file.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        draft.rename(file)  # Envoy watches for a move


def _forward(client: socket.socket, port: int) -> None:
    with client, suppress(OSError), socket.create_connection((ADDRESS, port)) as server:
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
