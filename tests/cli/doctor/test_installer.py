"""`mesh doctor`: the checksum of asmcli."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cli.doctor import installer
from cli.report.findings import FindingState
from config.mesh import Asmcli
from tests.cli.doctor.diagnosis import DIGEST, configure, diagnose
from tests.cli.emulated_project import EmulatedProject


@contextmanager
def downloads(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve what Google publishes, by name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.rpartition("/")[2])
            self.send_response(200 if content else 404)
            self.end_headers()
            self.wfile.write((content or "").encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def address_string(self) -> str:
            return "loopback"

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr("config.mesh.DOWNLOADS", f"http://127.0.0.1:{server.server_port}/asm")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("published", "state", "text"),
    [
        (f"{DIGEST}\n", FindingState.OK, "mesh.asmcli.sha256 is what Google publishes"),
        (f"{DIGEST}  asmcli\n", FindingState.OK, "mesh.asmcli.sha256 is what Google publishes"),
        ("0" * 64, FindingState.FAILURE, f"Google publishes {'0' * 64}, and not mesh.asmcli.sha256"),
        ("<html>log in first</html>", FindingState.WARNING, "answers with 200 and no checksum"),
        (None, FindingState.FAILURE, "Google publishes no asmcli_1.28.5-asm.12-config1"),
    ],
)
def test_the_checksum_of_the_download(
    monkeypatch: pytest.MonkeyPatch, published: str | None, state: FindingState, text: str
) -> None:
    files = {} if published is None else {"asmcli_1.28.5-asm.12-config1.sha256": published}
    with downloads(files, monkeypatch):
        asmcli = Asmcli(sha256=DIGEST)
        (found,) = installer.check(asmcli)
        compare = f"curl -fsSL {asmcli.url} | sha256sum; curl -fsSL {asmcli.url}.sha256"
    assert found.state is state
    assert text in found.text
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
    assert found.text.endswith(f"not compared with Google's: no answer from 127.0.0.1:{port}")


def test_no_checksum(project: EmulatedProject) -> None:
    configure(project, f'asmcli: {{file: asmcli, sha256: "{DIGEST}"}}', "asmcli: {}")
    found = diagnose(project)
    url = "https://storage.googleapis.com/csm-artifacts/asm/asmcli_1.28.5-asm.12-config1"
    assert found.of("checksum") == (
        "failure",
        "mesh.asmcli.sha256 is not set: the mesh stack stops in its plan; set it to what is printed twice",
        f"curl -fsSL {url} | sha256sum; curl -fsSL {url}.sha256",
    )


def test_a_local_installer_that_is_another_one(project: EmulatedProject) -> None:
    (project.folder / "asmcli").write_bytes(b"another one")
    state, text, fix = diagnose(project).of("checksum")
    assert state == "failure"
    assert text == f"asmcli has {hashlib.sha256(b'another one').hexdigest()}, and not mesh.asmcli.sha256"
    assert fix.startswith(f"sha256sum {project.folder.resolve()}/asmcli; curl -fsSL https://")
    configure(project, f', sha256: "{DIGEST}"', "")
    assert diagnose(project).of("checksum")[0] == "warning"
