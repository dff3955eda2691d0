"""The fake application, and the clients and probes that reach it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, cast

import pytest

from config.paths import ROOT
from tests.local_mesh.application.facts import JSON, READY_FILE, READY_PATH, SLOW_SECONDS
from tests.local_mesh.errors import LocalMeshError
from tests.local_mesh.grpc_client import GrpcClient
from tests.local_mesh.namespace import Namespace
from tests.local_mesh.node_agent import protocols_of_ports
from tests.local_mesh.pod import Pod, PodContext
from tests.local_mesh.probes import ContainerProbes, Probe, Target, try_once
from tests.local_mesh.traffic import Client, TcpClient, tally

IMAGE = "example.com/app:7"


class Here:
    """The namespace of the tests themselves."""

    def run(self, work: Any) -> Any:
        return work()

    def command(self, command: list[str]) -> list[str]:
        return command


HERE = cast(Namespace, Here())


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    found = {}
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    for protocol, one in zip(("http", "http2", "grpc", "tcp"), with_sockets, strict=True):
        found[protocol] = one.getsockname()[1]
        one.close()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pod")


@pytest.fixture(scope="module", autouse=True)
def _application(folder: Path, ports: dict[str, int]) -> Iterator[None]:
    """Run the fake application on loopback."""
    pytest.importorskip("grpc")
    pytest.importorskip("h2")
    variables = os.environ | {"IMAGE": IMAGE, "HOSTNAME": "pod-1", "PYTHONPATH": str(ROOT)}
    served = [f"{port}={protocol}" for protocol, port in ports.items()]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.local_mesh.application", *served], env=variables, cwd=folder
    ) as process:
        wait_for(folder / READY_FILE, exists=True)
        yield
        process.terminate()


def wait_for(file: Path, *, exists: bool) -> None:
    deadline = time.monotonic() + 20
    while file.exists() is not exists:
        assert time.monotonic() < deadline, file
        time.sleep(0.05)


@pytest.fixture
def subject(folder: Path) -> Pod:
    """A pod in whose folder the application runs."""
    metadata = {"name": "pod-1", "namespace": "sample", "uid": "u"}
    context = PodContext(IPv4Network("10.96.0.0/20"), folder, folder, folder, b"", folder)
    manifest = {"metadata": metadata, "spec": {"nodeName": "node-1", "containers": []}}
    return Pod(manifest, IPv4Address("127.0.0.1"), context, folder)


def test_http_1(ports: dict[str, int], subject: Pod) -> None:
    client = Client("127.0.0.1", ports["http"], "here")
    response = client.send("/hello", 1)[0]
    assert (response.version, response.body) == ("7", "Hello version: 7, instance: pod-1\n")
    subject.return_503()
    assert tally(client.send("/hello", 3)) == {"503": 3}
    subject.recover()
    with client.stream("/hello", every=0.01) as stream:
        time.sleep(0.5)
    assert len(stream.responses) > 10
    assert tally(stream.responses) == {"7": len(stream.responses)}
    assert stream.since(stream.responses[-1].sent) == stream.responses[-1:]


def test_a_slow_and_a_hanging_application(ports: dict[str, int], subject: Pod) -> None:
    client = Client("127.0.0.1", ports["http"], "app")
    subject.respond_slowly()
    [response] = client.send("/hello", 1)
    assert (response.status, response.seconds >= SLOW_SECONDS) == (200, True)
    subject.recover()
    subject.hang()
    with client.stream("/hello", 1.0) as stream:
        time.sleep(2 * SLOW_SECONDS)
        assert not stream.responses
        assert client.send(READY_PATH, 1)[0].status == 200
        subject.recover()
    assert stream.responses[0].ok


def test_a_response_describes_its_request(ports: dict[str, int]) -> None:
    client = Client("127.0.0.1", ports["http"], "shop.example", headers={"Accept": JSON, "X-One": "1"})
    facts = client.get("/a?b=c").facts
    assert facts["headers"].items() >= {"host": "shop.example", "x-one": "1"}.items()
    assert {name: value for name, value in facts.items() if name != "headers"} == {
        "image": IMAGE,
        "version": "7",
        "instance": "pod-1",
        "port": ports["http"],
        "protocol": "HTTP/1.1",
        "method": "GET",
        "path": "/a?b=c",
    }


def test_http_2_is_not_http_1(ports: dict[str, int]) -> None:
    assert Client("127.0.0.1", ports["http2"], "here").get("/").status == 0


def test_http_2(ports: dict[str, int]) -> None:
    from h2.connection import H2Connection  # noqa: PLC0415
    from h2.events import DataReceived, StreamEnded  # noqa: PLC0415

    connection = H2Connection()
    events: list[Any] = []
    connection.initiate_connection()
    headers = {":method": "GET", ":path": "/x", ":scheme": "http", ":authority": "here", "accept": JSON}
    connection.send_headers(1, list(headers.items()), end_stream=True)
    with socket.create_connection(("127.0.0.1", ports["http2"]), timeout=5) as stream:
        while not any(isinstance(event, StreamEnded) for event in events):
            stream.sendall(connection.data_to_send())
            events += connection.receive_data(stream.recv(65_536))
    body = b"".join(event.data for event in events if isinstance(event, DataReceived))
    assert b'"protocol": "HTTP/2", "method": "GET", "path": "/x"' in body


def test_grpc(ports: dict[str, int], subject: Pod) -> None:
    client = GrpcClient("127.0.0.1", ports["grpc"], "quotes.example", HERE)
    assert tally(client.send(3)) == {"7": 3}
    subject.return_503()
    assert tally(client.send(2)) == {"503": 2}
    subject.recover()
    with client.stream(every=0.01) as stream:
        deadline = time.monotonic() + 20
        while len(stream.responses) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert stream.responses[0].facts["protocol"] == "gRPC"


def test_tcp(ports: dict[str, int], subject: Pod) -> None:
    client = TcpClient("127.0.0.1", ports["tcp"], HERE)
    assert tally(client.send(2)) == {"7": 2}
    assert tally(client.send_over_one_connection(3)) == {"7": 3}
    assert client.get("words").facts["path"] == "words"
    subject.return_503()
    assert tally(client.send(2)) == {"no response": 2}
    subject.recover()


def test_a_refused_connection_is_no_response() -> None:
    assert tally(Client("127.0.0.1", 9, "here").send("/", 2)) == {"no response": 2}
    assert tally(TcpClient("127.0.0.1", 9, HERE).send(2)) == {"no response": 2}


def test_every_type_of_probe_follows_the_readiness(ports: dict[str, int], subject: Pod, folder: Path) -> None:
    probes: list[dict[str, Any]] = [
        {"httpGet": {"port": ports["http"], "path": READY_PATH}},
        {"tcpSocket": {"port": ports["tcp"]}},
        {"exec": {"command": ["test", "-e", READY_FILE]}},
    ]
    target = Target("127.0.0.1", None, folder, {})
    assert [try_once(target, probe) for probe in probes] == [True] * 3
    subject.fail_readiness()
    wait_for(folder / READY_FILE, exists=False)
    time.sleep(0.3)  # until nothing listens any more
    assert [try_once(target, probe) for probe in probes] == [False] * 3
    assert Client("127.0.0.1", ports["http"], "here").get("/").ok
    subject.pass_readiness()
    wait_for(folder / READY_FILE, exists=True)


def test_an_unknown_type_of_probe(folder: Path) -> None:
    with pytest.raises(LocalMeshError, match="unknown type: grpc"):
        try_once(Target("127.0.0.1", None, folder, {}), {"grpc": {"port": 1}})


def test_only_failures_at_the_end_of_a_period_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, succeeds = [0.0], [False]
    monkeypatch.setattr("tests.local_mesh.probes.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("tests.local_mesh.probes.try_once", lambda *_: succeeds[0])
    monkeypatch.setattr("tests.local_mesh.probes.FIRST_PERIOD_SECONDS", 0.5)
    probe = Probe(Target("", None, Path(), {}), {"periodSeconds": 2, "failureThreshold": 2})
    results = {}
    for quarter in range(25):
        clock[0] = quarter / 4
        succeeds[0] = 2.5 <= clock[0] < 3
        probe.run_if_due()
        results[clock[0]] = probe.result
    # It fails at 0 and 2 s, succeeds at 2.5 s, and fails at 4 and 6 s.
    assert [moment for moment, result in results.items() if result is False] == [2.0, 2.25, 6.0]
    assert results[1.75] is None
    assert results[2.5] is results[5.75] is True


def test_the_startup_probe_holds_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    succeeding: set[str] = set()
    tried: list[str] = []

    def try_probe(_: Target, probe: dict[str, Any]) -> bool:
        tried.append(probe["kind"])
        return probe["kind"] in succeeding

    monkeypatch.setattr("tests.local_mesh.probes.try_once", try_probe)
    monkeypatch.setattr("tests.local_mesh.probes.time.monotonic", lambda: float(len(tried)))
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    probes = {kind: {"kind": kind, "periodSeconds": 1, "failureThreshold": 2} for kind in kinds}
    container = ContainerProbes(Target("", None, Path(), {}), {"name": "c", **probes})
    container.run()
    assert (tried, container.ready, container.has_to_restart) == (["startupProbe"], False, False)
    succeeding.update(kinds)
    container.run()
    container.run()
    assert set(tried) == set(kinds)
    assert (container.ready, container.has_to_restart) == (True, False)
    succeeding.remove("livenessProbe")
    container.run()
    container.run()
    assert (container.ready, container.has_to_restart) == (True, True)
    container.reset()
    assert (container.ready, container.has_to_restart) == (False, False)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"targetPort": 1, "name": "http"}, {1: "http"}),
        ({"targetPort": 1, "name": "grpc-web"}, {1: "grpc"}),
        ({"targetPort": 1, "name": "admin", "appProtocol": "tcp"}, {1: "tcp"}),
        ({"targetPort": 1, "name": "http", "appProtocol": "kubernetes.io/h2c"}, {1: "http2"}),
        ({"targetPort": 1, "name": "admin"}, {1: "http"}),
    ],
)
def test_the_protocol_of_a_port_is_its_services(port: dict[str, Any], expected: dict[int, str], subject: Pod) -> None:
    subject.manifest["metadata"]["labels"] = {"app": "a", "version": "v1"}
    services: list[dict[str, Any]] = [
        {"spec": {"selector": {"app": "a"}, "ports": [port]}},
        {"spec": {"selector": {"app": "b"}, "ports": [{"targetPort": 2, "name": "tcp"}]}},
        {"spec": {"ports": [{"targetPort": 3, "name": "tcp"}]}},
    ]
    assert protocols_of_ports(subject, services) == expected
