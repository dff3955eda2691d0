"""The application's HTTP/1.1."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from tests.local_mesh.application.facts import Application


class Handler(BaseHTTPRequestHandler):
    """Responds to every request."""

    protocol_version = "HTTP/1.1"
    application: Application

    def do_GET(self) -> None:
        status, headers, body = self.application.respond(
            self.request_version, self.command, self.path, self.headers.items()
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: there are thousands of requests."""


class Server(ThreadingHTTPServer):
    """Does not look up its own name, which takes seconds without a name server."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing when a client hangs up."""


def serve(application: Application, port: int) -> None:
    """Serve a port in the background."""
    handler = type("Handler", (Handler,), {"application": application})
    threading.Thread(target=Server(("0.0.0.0", port), handler).serve_forever, daemon=True).start()
