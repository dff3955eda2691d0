"""The fake cloud in a test, and a client that calls it as the provider and gcloud do."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from google.oauth2 import service_account

from tests.fake_cloud.cloud import Body, Cloud, Endpoints
from tests.fake_cloud.latencies import Latencies
from tests.fake_cloud.server import FakeCloudServer
from tests.rehearsal.fake_tools.cloud_sdk import SCOPES, send_request

PROJECT = "test-project"
LOCATION = "asia-northeast1"
COMPUTE = f"/compute/v1/projects/{PROJECT}"
CLUSTERS = f"/container/v1/projects/{PROJECT}/locations/{LOCATION}/clusters"
NETWORK = f"projects/{PROJECT}/global/networks/vpc"
SUBNETS = f"{COMPUTE}/regions/{LOCATION}/subnetworks"
SERVICES = f"/serviceusage/v1/projects/{PROJECT}/services"
APIS = ("compute", "container", "gkehub", "iam")
SECONDS = 20.0
"""Timeout of everything."""

from_service_account: Callable[..., Any] = service_account.Credentials.from_service_account_info  # without types


class ErrorContent(NamedTuple):
    """Content of an error response."""

    code: int
    reason: str
    status: str
    message: str


class ApiClient:
    """Calls a fake cloud with a token."""

    def __init__(self, base: str, token: str, seconds: float = SECONDS) -> None:
        self._address = base.removeprefix("http://")
        self._token = token
        self._seconds = seconds

    def call(self, method: str, path: str, body: Body | None = None) -> tuple[int, Body]:
        """Return the status and the content of the response."""
        connection = http.client.HTTPConnection(self._address, timeout=self._seconds)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Body | None = None) -> Body:
        status, content = self.call(method, path, body)
        assert status == 200, content
        return content

    def error(self, method: str, path: str, body: Body | None = None) -> ErrorContent:
        status, content = self.call(method, path, body)
        assert status != 200, content
        error = content["error"]
        assert error["code"] == status
        return ErrorContent(status, error["errors"][0]["reason"], error["status"], error["message"])

    def run(self, method: str, path: str, body: Body | None = None) -> Body:
        """Start an operation of Compute Engine or GKE, and return it when it is done."""
        return self.wait(operation_path(self.ok(method, path, body)))

    def wait(self, path: str) -> Body:
        """Return an operation when it is done."""
        deadline = time.monotonic() + self._seconds
        while not is_done(operation := self.ok("GET", path)):
            assert time.monotonic() < deadline, operation
            time.sleep(0.02)
        return operation


@dataclass
class FakeControlPlanes:
    """Control planes that only record the calls.

    Attributes:
        calls: all so far.
        gate: while it is closed, a start does not end.
        error: raised by a start.
        nodes: called when nodes are added.
    """

    calls: list[tuple[str, ...]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    nodes: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.gate.set()

    def start(self, location: str, name: str, control_plane_range: str) -> Endpoints:
        self.calls.append(("start", location, name, control_plane_range))
        assert self.gate.wait(SECONDS)
        if self.error is not None:
            raise self.error
        return Endpoints("192.0.2.1", "192.168.8.2", "Q0VSVA==")

    def serve_kinds(self, location: str, name: str, of: str) -> None:
        self.calls.append((f"serve kinds of {of}", location, name))

    def add_nodes(self, location: str, name: str) -> None:
        self.calls.append(("add nodes", location, name))
        self.nodes()

    def stop(self, location: str, name: str) -> None:
        self.calls.append(("stop", location, name))


@dataclass
class FakeGcp:
    """A fake cloud with fakes of control planes and controllers.

    Attributes:
        server: of the APIs.
        planes: control planes of the clusters.
        changes: the changed features of the fleet, and whether they are enabled.
        held: the features that have resources.
    """

    server: FakeCloudServer
    planes: FakeControlPlanes
    changes: list[tuple[str, bool]]
    held: set[str]

    @property
    def base(self) -> str:
        return self.server.cloud.base

    def token(self) -> str:
        """Return a token for the account's key, from Google's own library."""
        credentials = from_service_account(json.loads(self.server.cloud.identity.credentials()), scopes=SCOPES)
        credentials.refresh(send_request)
        token: str = credentials.token
        return token

    def client(self) -> ApiClient:
        return ApiClient(self.base, self.token())


@contextmanager
def running(scale: float = 0.0, account: str | None = None, patience: float = 0.0) -> Iterator[FakeGcp]:
    """Run an empty cloud.

    Args:
        scale: of its latencies.
        account: the service account that the client impersonates, if any.
        patience: of its latencies.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    planes, changes, held = FakeControlPlanes(), list[tuple[str, bool]](), set[str]()
    cloud = Cloud.create(PROJECT, f"http://127.0.0.1:{port}", Latencies(scale, patience), planes, account)
    server = FakeCloudServer(
        cloud,
        changed=lambda name, feature: changes.append((name, feature is not None)),
        has_resources=held.__contains__,
    )
    server.start()
    try:
        yield FakeGcp(server, planes, changes, held)
        check_conformance(server)
    finally:
        planes.gate.set()
        threading.Thread(target=server.stop).start()  # it takes up to half a second


def check_conformance(server: FakeCloudServer) -> None:
    """Fail a test in which a call disagreed with Google's discovery documents; what it was is forgotten."""
    if found := server.conformance.take():
        raise AssertionError("\n".join(map(str, found)))


def enable(client: ApiClient, *apis: str) -> None:
    services = [f"{api}.googleapis.com" for api in apis or APIS]
    operation = client.ok("POST", f"{SERVICES}:batchEnable", {"serviceIds": services})
    client.wait(f"/serviceusage/v1/{operation['name']}")


def operation_path(operation: Body) -> str:
    """Return the path of an operation.

    Args:
        operation: of Compute Engine or GKE.
    """
    link: str = operation["selfLink"]
    return link[link.index("/", len("http://")) :]


def is_done(operation: Body) -> bool:
    return operation.get("done") is True or operation.get("status") == "DONE"


def build_subnet(name: str, primary: str, *secondary: str) -> Body:
    ranges = [{"rangeName": f"range-{number}", "ipCidrRange": one} for number, one in enumerate(secondary)]
    return {"name": name, "network": NETWORK, "ipCidrRange": primary, "secondaryIpRanges": ranges}


def build_cluster(name: str = "tokyo-1", control_plane_range: str = "192.168.8.0/28") -> Body:
    content = {
        "name": name,
        "network": NETWORK,
        "subnetwork": f"projects/{PROJECT}/regions/{LOCATION}/subnetworks/subnet",
        "ipAllocationPolicy": {"clusterSecondaryRangeName": "range-0", "servicesSecondaryRangeName": "range-1"},
        "privateClusterConfig": {"masterIpv4CidrBlock": control_plane_range},
        "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enablePublicEndpoint": True}},
        "fleet": {"project": PROJECT},
    }
    return {"cluster": content}


def make_network(client: ApiClient) -> None:
    client.ok("POST", f"{COMPUTE}/global/networks", {"name": "vpc"})


def make_subnet(client: ApiClient) -> None:
    make_network(client)
    client.ok("POST", SUBNETS, build_subnet("subnet", "10.0.0.0/20", "10.4.0.0/14", "10.96.0.0/20"))


def make_cluster(client: ApiClient, name: str = "tokyo-1") -> Body:
    """Create a cluster with its network, and return the operation when it is done."""
    make_subnet(client)
    return client.run("POST", CLUSTERS, build_cluster(name))
