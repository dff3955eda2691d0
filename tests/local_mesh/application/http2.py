"""The application's HTTP/2 without TLS (h2c, with prior knowledge). It takes no HTTP/1.1."""

import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from h2.exceptions import ProtocolError

from tests.local_mesh.application.facts import Application, Request, join_headers

PIECE = 65_536


class Handler(BaseRequestHandler):
    """Responds to every request of a connection."""

    application: Application
    port: int

    def handle(self) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        with suppress(OSError, ProtocolError):  # the client hangs up, or does not speak HTTP/2
            self.request.sendall(connection.data_to_send())
            while piece := self.request.recv(PIECE):
                for event in connection.receive_data(piece):
                    if isinstance(event, RequestReceived):
                        self._respond(connection, event)
                self.request.sendall(connection.data_to_send())

    def _respond(self, connection: H2Connection, request: RequestReceived) -> None:
        headers = join_headers((str(name), str(value)) for name, value in request.headers or [])
        given = Request(self.port, "HTTP/2", headers[":method"], headers[":path"], headers)
        status, answer, body = self.application.respond(given)
        connection.send_headers(request.stream_id, [(":status", str(status)), *answer.items()])
        connection.send_data(request.stream_id, body, end_stream=True)


class Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(application: Application, port: int) -> None:
    """Serve a port in the background."""
    handler = type("Handler", (Handler,), {"application": application, "port": port})
    threading.Thread(target=Server(("0.0.0.0", port), handler).serve_forever, daemon=True).start()
