"""A fake of the demo's application: responds as helloworld does, with its version and name.

``python -m tests.local_mesh.demo_server PORT UNHEALTHY_FILE``

It listens only after `START_SECONDS`, as an application that has data to load: if a pod is
reported ready too early, requests fail.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

START_SECONDS = 2.0

PEER_HEADER = "X-Peer"
"""Response header with the client's identity, which the sidecar takes from the mutual TLS certificate."""


class DemoHandler(BaseHTTPRequestHandler):
    """Responds to every GET: with 503 while the unhealthy file exists.

    Attributes:
        unhealthy_file: path.
        version: of the application.
    """

    protocol_version = "HTTP/1.1"
    unhealthy_file: Path
    version: str

    def do_GET(self) -> None:
        unhealthy = self.unhealthy_file.exists()
        text = (
            "unhealthy" if unhealthy else f"Hello version: {self.version}, instance: {os.environ.get('HOSTNAME', '')}"
        )
        body = f"{text}\n".encode()
        self.send_response(503 if unhealthy else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header(PEER_HEADER, self.headers.get("X-Forwarded-Client-Cert", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: there are thousands of requests."""


class DemoServer(ThreadingHTTPServer):
    """Does not look up its own name, which takes seconds without a name server."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing when a client hangs up."""


def main(port: str, unhealthy_file: str) -> None:
    DemoHandler.unhealthy_file = Path(unhealthy_file)
    DemoHandler.version = os.environ.get("SERVICE_VERSION", "unknown")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(START_SECONDS)
    DemoServer(("0.0.0.0", int(port)), DemoHandler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
