"""The application's TCP: it responds to each line with a line of JSON, over one connection."""

import socket
import threading
import time
from contextlib import suppress

from tests.local_mesh.application.facts import POLL_SECONDS, Application, Request


def serve(application: Application, port: int) -> None:
    """Serve a port in the background while the application is ready; else nothing listens, as a TCP probe sees it."""
    threading.Thread(target=_listen_while_ready, args=(application, port), daemon=True).start()


def _listen_while_ready(application: Application, port: int) -> None:
    while True:
        while not application.ready:
            time.sleep(POLL_SECONDS)
        with socket.create_server(("0.0.0.0", port)) as listener:
            listener.settimeout(POLL_SECONDS)
            while application.ready:
                with suppress(TimeoutError):
                    connection, _ = listener.accept()
                    threading.Thread(target=_respond, args=(application, port, connection), daemon=True).start()


def _respond(application: Application, port: int, connection: socket.socket) -> None:
    with connection, suppress(OSError), connection.makefile("rw", encoding="utf-8") as stream:
        for line in stream:
            if not application.healthy:
                break  # the client gets no response
            stream.write(application.describe(Request(port, "TCP", "", line.strip(), {})))
            stream.flush()
