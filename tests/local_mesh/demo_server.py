"""The application's stand-in: answers as helloworld does, with its version and its name.

``python -m tests.local_mesh.demo_server PORT SICK_FILE``

It listens only after `SECONDS_TO_START`, as an application does that has things to load:
a pod that is called ready before it is fails requests.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

SECONDS_TO_START = 2.0

PEER_HEADER = "X-Peer"
"""Header of the answer: who asked, as the sidecar has it from the certificate of mutual TLS."""


class DemoHandler(BaseHTTPRequestHandler):
    """Answers every GET. While the sick file is there, with 503."""

    protocol_version = "HTTP/1.1"
    sick_file: Path
    version: str

    def do_GET(self) -> None:
        sick = self.sick_file.exists()
        text = "sick" if sick else f"Hello version: {self.version}, instance: {os.environ.get('HOSTNAME', '')}"
        body = f"{text}\n".encode()
        self.send_response(503 if sick else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header(PEER_HEADER, self.headers.get("X-Forwarded-Client-Cert", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: there are thousands."""


class DemoServer(ThreadingHTTPServer):
    """Does not look up its own name, which takes seconds where there is no name server."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


def main(port: str, sick_file: str) -> None:
    DemoHandler.sick_file = Path(sick_file)
    DemoHandler.version = os.environ.get("SERVICE_VERSION", "unknown")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(SECONDS_TO_START)
    DemoServer(("0.0.0.0", int(port)), DemoHandler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
