"""What answers on loopback until it is stopped."""

import threading
from collections.abc import Callable
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

HOST = "127.0.0.1"

Answering = Callable[[dict[str, Any], Any], Any]
"""A WSGI application: https://peps.python.org/pep-3333/."""


class Listener:
    """Serves an application, each call in a thread of its own.

    Attributes:
        base: its URL.
    """

    def __init__(self, answer: Answering, *, host: str = HOST, port: int = 0) -> None:
        """
        Args:
            port: any that is free if 0.
        """
        self._server = make_server(host, port, answer, threaded=True, request_handler=QuietHandler)
        self.base = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class QuietHandler(WSGIRequestHandler):
    """Logs nothing: the journal has it. A connection that is closed without an answer is no error here."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        self.close_connection = True  # or the client waits for ever
