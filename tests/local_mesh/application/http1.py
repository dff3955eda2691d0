"""The application's HTTP/1.1."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from tests.local_mesh.application.facts import Application, Request, join_headers


class Handler(BaseHTTPRequestHandler):
    """Responds to every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body waits for 40 ms otherwise, as headers are a write of their own
    application: Application
    port: int

    def do_GET(self) -> None:
        headers = join_headers(self.headers.items())
        request = Request(self.port, self.request_version, self.command, self.path, headers)
        status, answer, body = self.application.respond(request)
        self.send_response(status)
        for name, value in answer.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: there are thousands of requests."""


class Server(ThreadingHTTPServer):
    """Does not look up its own name, which takes seconds without a name server."""

    request_queue_size = 1024
    """With the default, 5, connections of a burst are dropped on a busy machine, and tried again after a second."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing when a client hangs up."""


def serve(application: Application, port: int) -> None:
    """Serve a port in the background."""
    handler = type("Handler", (Handler,), {"application": application, "port": port})
    threading.Thread(target=Server(("0.0.0.0", port), handler).serve_forever, daemon=True).start()
