"""``python -m tests.local_mesh.application PORT=PROTOCOL...``, in a pod's folder.

It listens only after `START_SECONDS`, as an application that has data to load: if a pod is
reported ready too early, requests fail.
"""

import os
import signal
import sys
import time
from pathlib import Path

from tests.local_mesh.application import http1, tcp
from tests.local_mesh.application.facts import Application

START_SECONDS = 2.0


def main(ports: list[str]) -> None:
    application = Application.from_environment(Path.cwd(), os.environ)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(START_SECONDS)
    for entry in ports:
        port, _, protocol = entry.partition("=")
        _serve(application, int(port), protocol)
    application.follow_readiness()


def _serve(application: Application, port: int, protocol: str) -> None:
    """Serve a port in the background."""
    match protocol:
        case "http":
            http1.serve(application, port)
        case "http2":
            from tests.local_mesh.application import http2  # noqa: PLC0415 - only these two need the lab's packages

            http2.serve(application, port)
        case "grpc":
            from tests.local_mesh.application import grpc_service  # noqa: PLC0415

            grpc_service.serve(application, port)
        case "tcp":
            tcp.serve(application, port)
        case _:
            raise ValueError(f"no application for protocol {protocol}")


if __name__ == "__main__":
    main(sys.argv[1:])
