"""Google's sites that are asked by name, whatever the endpoints of the APIs are."""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.fake_cloud import iam_credentials
from tests.fake_cloud.identity import Identity
from tests.fake_cloud.listener import HOST, QuietHandler

USER_INFO = "openidconnect.googleapis.com"
"""The google provider asks it, for its log, whenever it starts."""

DOWNLOADS = "storage.googleapis.com"
IAM_CREDENTIALS = "iamcredentials.googleapis.com"
"""The google provider's own library acts as another account by it, and knows no other place for it."""

HOSTNAMES = (USER_INFO, DOWNLOADS, IAM_CREDENTIALS)
PORT = 443


class GoogleSites:
    """Serves them over TLS, with a certificate that only those trust who are told to."""

    def __init__(
        self,
        identity: Identity,
        apis: Callable[[dict[str, Any], Any], Any],
        downloads: Mapping[str, Path],
        certificate: Path,
        key: Path,
    ) -> None:
        """
        Args:
            apis: the fake cloud, for what is asked by the name of an API.
            downloads: files by their path on `DOWNLOADS`, such as ``/bucket/name``.
        """
        self._identity = identity
        self._apis = apis
        self._downloads = downloads
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = make_server(
            HOST, PORT, self._answer, threaded=True, request_handler=QuietHandler, ssl_context=context
        )

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        host = request.host.partition(":")[0]
        file = self._downloads.get(request.path)
        if host == IAM_CREDENTIALS:
            environ["PATH_INFO"] = iam_credentials.PREFIX.removesuffix("/v1/") + environ["PATH_INFO"]
            return self._apis(environ, start_response)
        if host == USER_INFO and request.path == "/v1/userinfo":
            response = Response(json.dumps({"email": self._identity.email}), mimetype="application/json")
        elif host == DOWNLOADS and file is not None:
            response = Response(file.read_bytes(), mimetype="application/octet-stream")
        else:
            response = Response(f"nothing is emulated at https://{host}{request.path}\n", status=501)
        return response(environ, start_response)
