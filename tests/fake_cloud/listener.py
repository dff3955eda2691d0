"""Base of the fake servers."""

import threading
from abc import ABC, abstractmethod
from ssl import SSLContext
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.fake_cloud.journal import Journal, RecordedCall

HOST = "127.0.0.1"


class Listener(ABC):
    """Serves requests until it is stopped, each in a thread of its own.

    Attributes:
        base: its URL.
        journal: all calls.
    """

    def __init__(self, *, host: str = HOST, port: int = 0, tls: SSLContext | None = None) -> None:
        """Bind the socket.

        Args:
            host: address.
            port: any free one if 0.
            tls: context of HTTPS; plain HTTP if absent.
        """
        self.journal = Journal()
        self._server = make_server(
            host, port, self.wsgi_app, threaded=True, request_handler=QuietHandler, ssl_context=tls
        )
        self.base = f"http://{host}:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Respond to a request, as https://peps.python.org/pep-3333/ defines it."""
        request = Request(environ)
        response = self.respond(request)
        if self.is_call(request):
            self.journal.add(RecordedCall(request.method, request.path, response.status_code))
        return response(environ, start_response)

    def is_call(self, request: Request) -> bool:
        """Return whether the journal records a request."""
        return True

    @abstractmethod
    def respond(self, request: Request) -> Response:
        """Return the response to a request."""


class QuietHandler(WSGIRequestHandler):
    """Logs nothing, as there is the journal. An injected fault may close the connection without a response."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        self.close_connection = True  # or the client waits forever
