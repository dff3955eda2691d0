"""Tests of the reader of an API server."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.local_mesh.api_reader import ApiReader
from tests.local_mesh.authority import Authority
from tests.local_mesh.errors import LocalMeshError

RESPONSES: dict[str, tuple[int, Any]] = {
    "/apis/example.com/v1/shops": (200, {"items": [{"kind": "Shop"}]}),
    "/apis/example.com/v1/secrets": (403, {"reason": "Forbidden"}),
}


class Handler(BaseHTTPRequestHandler):
    """Responds as an API server that serves two kinds."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def do_GET(self) -> None:
        status, content = RESPONSES.get(self.path, (404, {}))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[ApiReader]:
    authority = Authority.create()
    files = {}
    for name, one in (
        ("ca", authority),
        ("server", authority.issue(["localhost"])),
        ("client", authority.issue(["c"])),
    ):
        files[name] = [tmp_path / f"{name}.pem", tmp_path / f"{name}.key"]
        files[name][0].write_bytes(one.certificate)
        files[name][1].write_bytes(one.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["server"][0], files["server"][1])
    context.load_verify_locations(files["ca"][0])
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.block_on_close = False
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    certificate, key = map(str, files["client"])
    kubeconfig = tmp_path / "kubeconfig"
    address = {"server": f"https://localhost:{server.server_port}", "certificate-authority": str(files["ca"][0])}
    user = {"client-certificate": certificate, "client-key": key}
    kubeconfig.write_text(yaml.safe_dump({"clusters": [{"cluster": address}], "users": [{"user": user}]}))
    Handler.connections = 0
    reader = ApiReader(kubeconfig)
    yield reader
    reader.close()
    server.shutdown()
    server.server_close()


def test_it_reads_objects_over_one_connection(reader: ApiReader) -> None:
    for _ in range(3):
        assert reader.objects("example.com", "v1", "shops") == [{"kind": "Shop"}]
    assert Handler.connections == 1


def test_a_kind_that_is_not_served_has_no_objects(reader: ApiReader) -> None:
    assert reader.objects("example.com", "v1", "gateways") == []


def test_an_error_is_none_of_these_and_the_next_attempt_works(reader: ApiReader) -> None:
    with pytest.raises(LocalMeshError, match="secrets: status 403"):
        reader.objects("example.com", "v1", "secrets")
    assert reader.objects("example.com", "v1", "shops") == [{"kind": "Shop"}]


def test_a_cluster_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LocalMeshError, match="shops: "):
        ApiReader(tmp_path / "kubeconfig").objects("example.com", "v1", "shops")
