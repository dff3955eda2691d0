"""Whether the remote secrets open the doors that they should."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import yaml

LISTED = "/api/v1/services?limit=1"
"""What a mesh asks another cluster first."""


def server_and_token(secret: dict[str, Any]) -> tuple[str, str, str]:
    """Return what a remote secret holds: the server's URL, its CA as PEM, the token."""
    data = next(iter(secret["data"].values()))
    kubeconfig = yaml.safe_load(base64.b64decode(data))
    cluster = kubeconfig["clusters"][0]["cluster"]
    certificate = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return cluster["server"], certificate, kubeconfig["users"][0]["user"]["token"]


def opens(server: str, certificate: str, token: str) -> bool:
    """Whether a token lists Services at a server, whose certificate is checked."""
    return _status(server, certificate, token) == 200


def _status(server: str, certificate: str, token: str) -> int:
    request = urllib.request.Request(f"{server}{LISTED}", headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cadata=certificate)
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as response:
            json.load(response)
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
