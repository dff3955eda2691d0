"""`mesh doctor`: the checksum of asmcli."""

import hashlib
import socket
from http.server import BaseHTTPRequestHandler

import pytest

from cli.doctor import installer
from cli.report.findings import FindingState
from config.mesh import Asmcli
from tests.cli.doctor.diagnosis import DIGEST, expect
from tests.cli.emulated_project import EmulatedProject
from tests.cli.loopback_server import http_server

NAME = "asmcli_1.31.3-asm.9-config1"
PUBLISHED = "mesh.asmcli.sha256 matches the one that Google publishes"


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize(
    ("published", "state", "text"),
    [
        (f"{DIGEST}\n", FindingState.OK, PUBLISHED),
        (f"{DIGEST}  asmcli\n", FindingState.OK, PUBLISHED),
        ("0" * 64, FindingState.FAILURE, f"Google publishes {'0' * 64}, not mesh.asmcli.sha256"),
        ("<html>log in first</html>", FindingState.WARNING, "returns 200, without a checksum"),
        (None, FindingState.FAILURE, f"Google does not publish {NAME}; set mesh.asmcli.version to a published version"),
    ],
)
def test_the_checksum_of_the_download(
    monkeypatch: pytest.MonkeyPatch, published: str | None, state: FindingState, text: str
) -> None:
    """The request has no credentials from ~/.netrc."""
    authorizations: list[str | None] = []

    def respond(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        authorizations.append(request.headers.get("Authorization"))
        found = request.path.rpartition("/")[2] == f"{NAME}.sha256" and published
        return (200, found) if found else (404, "")

    with http_server(respond) as url:
        monkeypatch.setattr("config.mesh.DOWNLOADS", f"{url}/asm")
        asmcli = Asmcli(sha256=DIGEST)
        (found,) = installer.check(asmcli)
        compare = f"curl -fsSL {asmcli.url} | sha256sum; curl -fsSL {asmcli.url}.sha256"
    assert found.state is state
    assert text in found.text
    assert authorizations == [None]
    if published is None:
        assert found.fix.endswith("/asm/ASMCLI_VERSIONS")
    elif state is not FindingState.OK:
        assert found.fix == compare


def test_a_checksum_that_can_not_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr("config.mesh.DOWNLOADS", f"http://127.0.0.1:{port}/asm")
    (found,) = installer.check(Asmcli(sha256=DIGEST))
    assert found.state is FindingState.WARNING
    assert found.text.endswith(f"not compared with the one that Google publishes: no response from 127.0.0.1:{port}")


def test_no_checksum(project: EmulatedProject) -> None:
    project.configure(f', file: asmcli, sha256: "{DIGEST}"', "")
    url = f"https://storage.googleapis.com/csm-artifacts/asm/{NAME}"
    text = "mesh.asmcli.sha256 is not set, so the mesh stack's plan fails; set it to the checksum that is printed"
    expect(project, "asmcli checksum", "failure", text, f"curl -fsSL {url} | sha256sum; curl -fsSL {url}.sha256")


def test_a_local_installer_that_is_another_one(project: EmulatedProject) -> None:
    (project.folder / "asmcli").write_bytes(b"another one")
    text = f"the checksum of asmcli is {hashlib.sha256(b'another one').hexdigest()}, not mesh.asmcli.sha256"
    fix = f"sha256sum {project.folder.resolve()}/asmcli; curl -fsSL https://..."
    expect(project, "asmcli checksum", "failure", text, fix)
    project.configure(f', sha256: "{DIGEST}"', "")
    expect(project, "asmcli checksum", "warning", "...", "...")
