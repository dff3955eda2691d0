"""Google's sites that clients call by fixed names, whatever the endpoints of the APIs are."""

import json
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Request, Response

from tests.fake_cloud import iam_credentials
from tests.fake_cloud.identity import Identity
from tests.fake_cloud.listener import Listener

USER_INFO = "openidconnect.googleapis.com"
"""The google provider calls it when it starts, for its log."""

DOWNLOADS = "storage.googleapis.com"
IAM_CREDENTIALS = "iamcredentials.googleapis.com"
"""The google provider's own library impersonates accounts with it, and has no setting for its address."""

HOSTNAMES = (USER_INFO, DOWNLOADS, IAM_CREDENTIALS)
PORT = 443


class GoogleSites(Listener):
    """Serves them over TLS, with a certificate of a private CA."""

    def __init__(
        self,
        identity: Identity,
        apis: Callable[[dict[str, Any], Any], Any],
        downloads: Mapping[str, Path],
        certificate: Path,
        key: Path,
    ) -> None:
        """Bind port 443 on loopback.

        Args:
            identity: the accounts.
            apis: the fake cloud's WSGI application, for calls by the name of an API.
            downloads: files by their path on `DOWNLOADS`, such as ``/bucket/name``.
            certificate: file, PEM.
            key: file, PEM.
        """
        self._identity = identity
        self._apis = apis
        self._downloads = downloads
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        super().__init__(port=PORT, tls=context)

    def respond(self, request: Request) -> Response:
        host = request.host.partition(":")[0]
        file = self._downloads.get(request.path)
        if host == IAM_CREDENTIALS:
            path = iam_credentials.PREFIX.removesuffix("/v1/") + request.path
            return Response.from_app(self._apis, request.environ | {"PATH_INFO": path})
        if host == USER_INFO and request.path == "/v1/userinfo":
            return Response(json.dumps({"email": self._identity.email}), mimetype="application/json")
        if host == DOWNLOADS and file is not None:
            return Response(file.read_bytes(), mimetype="application/octet-stream")
        return Response(f"there is no fake of https://{host}{request.path}\n", status=501)
