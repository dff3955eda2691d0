"""Servers on loopback for one test."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import BaseServer
from ssl import SSLContext


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Serve requests until the test leaves the context."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    with server:
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def http_server(
    respond: Callable[[BaseHTTPRequestHandler], tuple[int, str]], tls: SSLContext | None = None
) -> Iterator[str]:
    """Run an HTTP server, and give its URL.

    Args:
        respond: Returns the status and the body of a response, or a redirect's status and target.
        tls: Of a server over TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = respond(self)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return "loopback"

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield f"{'http' if tls is None else 'https'}://localhost:{server.server_port}"
