"""Checks of the remote secrets' tokens."""

import base64
import json
import ssl
import urllib.request
from typing import Any

import yaml

FIRST_REQUEST = "/api/v1/services?limit=1"
"""The first request of a mesh control plane to another cluster."""


def server_and_token(secret: dict[str, Any]) -> tuple[str, str, str]:
    """Return the content of a remote secret: the server's URL, its CA as PEM, the token."""
    data = next(iter(secret["data"].values()))
    kubeconfig = yaml.safe_load(base64.b64decode(data))
    cluster = kubeconfig["clusters"][0]["cluster"]
    certificate = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return cluster["server"], certificate, kubeconfig["users"][0]["user"]["token"]


def opens(server: str, certificate: str, token: str) -> bool:
    """Return whether a token is authorized to list Services at a server, whose certificate is checked."""
    request = urllib.request.Request(f"{server}{FIRST_REQUEST}", headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cadata=certificate)
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as response:
            json.load(response)
            return bool(response.status == 200)
    except OSError:  # an error's status, too
        return False
