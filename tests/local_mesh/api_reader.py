"""Reads objects over one connection to an API server: a kubectl costs a tenth of a second of a processor each time."""

import json
import ssl
import threading
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

from tests.local_mesh.errors import LocalMeshError

TIMEOUT_SECONDS = 10


class ApiReader:
    """A client of a cluster's API server, for those who read the same objects again and again."""

    def __init__(self, kubeconfig: Path) -> None:
        """Connect to nothing yet.

        Args:
            kubeconfig: of the cluster, with a client certificate.
        """
        self._kubeconfig = kubeconfig
        self._connection: HTTPSConnection | None = None
        self._lock = threading.Lock()

    def objects(self, group: str, version: str, resource: str) -> list[dict[str, Any]]:
        """Return the objects of a kind in all namespaces; none where the kind is not served.

        Args:
            group: of the kind's API.
            version: of the kind's API.
            resource: plural name of the kind.

        Raises:
            LocalMeshError: the API server did not respond, or refused it.
        """
        with self._lock:
            try:
                connection = self._connection = self._connection or self._connect()
                connection.request("GET", f"/apis/{group}/{version}/{resource}")
                response = connection.getresponse()
                body = response.read()
            except (OSError, HTTPException) as error:
                self.close()  # the next attempt connects again, perhaps to a new cluster
                raise LocalMeshError(f"{resource}: {error}") from error
        if response.status == HTTPStatus.NOT_FOUND:
            return []
        if response.status != HTTPStatus.OK:
            raise LocalMeshError(f"{resource}: status {response.status}")
        items: list[dict[str, Any]] = json.loads(body)["items"]
        return items

    def close(self) -> None:
        """Close the connection; a later read opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> HTTPSConnection:
        content = yaml.safe_load(self._kubeconfig.read_text(encoding="utf-8"))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        host = cluster["server"].removeprefix("https://")
        return HTTPSConnection(host, timeout=TIMEOUT_SECONDS, context=context)
