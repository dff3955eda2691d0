"""Stands in for Google's load balancer: one address in every region, answered by the region's own gateways."""

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

Backends = Callable[[], Sequence[IPv4Address]]
"""Returns the addresses of the gateways that may be asked now."""


def serve(region: Namespace, address: IPv4Address, backends: Backends) -> None:
    """Listen on the address in a region, in the background, and pass connections on.

    The real one sends a request to the nearest region that is healthy; here a region
    has but its own gateways, as the other regions have an address of the same number.

    Args:
        region: a namespace that has the address, and `REGIONAL_FRONT_END`.
    """
    listener = region.run(lambda: socket.create_server((str(address), PORT)))

    def accept() -> None:
        region.enter()  # threads that come from this one are there, too
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_pass_on, args=(client, backends), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _pass_on(client: socket.socket, backends: Backends) -> None:
    with client, suppress(OSError, IndexError):  # without a gateway the connection ends, as does a refused one
        gateway = str(random.choice(backends()))
        ours = (str(REGIONAL_FRONT_END), 0)
        with socket.create_connection((gateway, PORT), timeout=CONNECT_SECONDS, source_address=ours) as server:
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
