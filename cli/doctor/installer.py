"""asmcli: whether its checksum is configured and correct."""

import hashlib
import re
from pathlib import Path

import requests

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.google import http_session
from config import mesh
from config.mesh import Asmcli

NAME = "asmcli checksum"
SECONDS = 5.0
"""Timeout of Google's downloads."""


def check(asmcli: Asmcli) -> list[Finding]:
    """Check the checksum of a local file, or of the download."""
    return [_check_file(asmcli, Path(asmcli.file)) if asmcli.file is not None else _check_download(asmcli)]


def _check_file(asmcli: Asmcli, file: Path) -> Finding:
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return failure(NAME, f"{file} can't be read: {error.strerror}", "correct mesh.asmcli.file")
    compare = f"sha256sum {file}; curl -fsSL {asmcli.url}.sha256"
    if asmcli.sha256 is None:
        return warning(
            NAME,
            f"mesh.asmcli.sha256 is not set, so {file.name} is not verified; compare its checksum, and set it",
            compare,
        )
    if found != asmcli.sha256:
        return failure(NAME, f"the checksum of {file.name} is {found}, not mesh.asmcli.sha256", compare)
    return ok(NAME, f"{file.name} matches mesh.asmcli.sha256")


def _check_download(asmcli: Asmcli) -> Finding:
    url = asmcli.url
    compare = f"curl -fsSL {url} | sha256sum; curl -fsSL {url}.sha256"
    if asmcli.sha256 is None:
        text = "mesh.asmcli.sha256 is not set, so the mesh stack's plan fails; set it to the checksum that is printed"
        return failure(NAME, text, compare)
    try:
        published = _published(f"{url}.sha256")
    except LookupError:
        return failure(
            NAME,
            f"Google does not publish {asmcli.file_name}; set mesh.asmcli.version to a published version",
            f"curl -fsSL {mesh.DOWNLOADS}/ASMCLI_VERSIONS",
        )
    except ConnectionError as error:
        return warning(NAME, f"mesh.asmcli.sha256 is not compared with the one that Google publishes: {error}", compare)
    if published != asmcli.sha256:
        return failure(NAME, f"Google publishes {published}, not mesh.asmcli.sha256", compare)
    return ok(NAME, "mesh.asmcli.sha256 matches the one that Google publishes")


def _published(url: str) -> str:
    """Return the checksum at a URL.

    Raises:
        LookupError: There is none.
        ConnectionError: There is no response, or it is no checksum.
    """
    try:
        response = http_session(retries=False).get(url, timeout=SECONDS)
    except requests.RequestException as error:
        raise ConnectionError(f"no response from {url.split('/')[2]}") from error
    if response.status_code == 404:
        raise LookupError(url)
    found = re.match(r"\s*([0-9a-f]{64})\b", response.text)
    if not response.ok or found is None:
        raise ConnectionError(f"{url.split('/')[2]} returns {response.status_code}, without a checksum")
    return found[1]
