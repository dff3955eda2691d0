"""A fake of Google's load balancer: one address in every region, served by the region's own gateways."""

import random
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address

from tests.local_mesh.namespace import Namespace
from tests.local_mesh.network import REGIONAL_FRONT_END

PORT = 80
CONNECT_SECONDS = 2.0
PIECE = 65_536

Backends = Callable[[], tuple[Namespace, Sequence[IPv4Address]]]
"""Returns the addresses of the current gateways, and their region, in which the front end connects to them."""


def serve(region: Namespace, address: IPv4Address, backends: Backends) -> None:
    """Listen on the address in a region, in the background, and forward connections.

    The real load balancer sends a request to the nearest healthy region; here `backends` chooses it, without a look
    at the health.

    Args:
        region: a namespace that has the address, and `REGIONAL_FRONT_END`.
        address: of the load balancer.
        backends: returns the gateways.
    """
    listener = region.run(lambda: socket.create_server((str(address), PORT)))

    def accept() -> None:
        region.enter()  # as do the threads that start here
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_forward, args=(client, backends), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _forward(client: socket.socket, backends: Backends) -> None:
    with client, suppress(OSError, IndexError):  # without a gateway, the connection ends
        region, gateways = backends()
        region.enter()  # the source address is in every region
        gateway = str(random.choice(gateways))
        source = (str(REGIONAL_FRONT_END), 0)
        with socket.create_connection((gateway, PORT), timeout=CONNECT_SECONDS, source_address=source) as server:
            server.settimeout(None)
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
