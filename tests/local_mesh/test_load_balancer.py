"""The fake load balancer with a real Envoy."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import util
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.local_mesh import front_end_envoy
from tests.local_mesh.front_end import Backend, FrontEnd, HealthCheck, Redirect, Route
from tests.local_mesh.load_balancer import LoadBalancer
from tests.local_mesh.toolchain import Toolchain

HOME, OTHER = "osaka", "tokyo"
PORT, FIRST_PORT = 18080, 18001
READY = "/healthz/ready"
CHECK = HealthCheck(PORT, READY)
SHOP = Backend("ServiceImport", "apps", "shop", "shop", PORT, CHECK)
CART = Backend("ServiceImport", "apps", "cart", "cart", PORT, CHECK)
ROUTES = (
    Route("*", "PathPrefix", "/", ((SHOP.key, 1),)),
    Route("*", "PathPrefix", "/cart", ((SHOP.key, 1), (CART.key, 1))),
    Route("old.example", "PathPrefix", "/", (), Redirect(301, "https", "new.example")),
)
FRONT_END = FrontEnd(ROUTES, {SHOP.key: SHOP, CART.key: CART})
ENDPOINTS = {SHOP.key: {HOME: ["127.0.1.1"], OTHER: ["127.0.1.2"]}, CART.key: {HOME: ["127.0.1.3"]}}
SECONDS = 30


class Pod(ThreadingHTTPServer):
    """A gateway that responds with its name."""

    def __init__(self, address: str) -> None:
        super().__init__((address, PORT), Handler)
        self.ready = True
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Pod

    def do_GET(self) -> None:
        self.send_response(503 if self.path == READY and not self.server.ready else 200)
        self.end_headers()
        self.wfile.write(str(self.server.server_address[0]).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def pods() -> Iterator[dict[str, Pod]]:
    found = {address: Pod(address) for address in ("127.0.1.1", "127.0.1.2", "127.0.1.3")}
    yield found
    for pod in found.values():
        pod.shutdown()
        pod.server_close()


@pytest.fixture
def balancer(pods: dict[str, Pod], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadBalancer]:
    envoy = util.find_spec("envoy")
    if envoy is None or not envoy.submodule_search_locations:
        pytest.skip("Envoy is not installed")
    monkeypatch.setattr(front_end_envoy, "REGIONAL_FRONT_END", IPv4Address("127.0.0.9"))
    program = Path(envoy.submodule_search_locations[0], "_bin", "envoy")
    tools, folder = Toolchain(program, tmp_path), tmp_path / "load-balancer"
    balancer = LoadBalancer(tools, [HOME, OTHER], folder, tmp_path / "log", first_port=FIRST_PORT)
    balancer.start(FRONT_END, ENDPOINTS)
    yield balancer
    balancer.stop()


def get(region: str, path: str = "/", host: str = "shop.example") -> tuple[int, str]:
    """Return the status and the address of the pod, or the new URL."""
    connection = http.client.HTTPConnection("127.0.0.1", FIRST_PORT + [HOME, OTHER].index(region), timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.getheader("Location") or response.read().decode()
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if condition():
                return
        except OSError:
            pass  # Envoy does not listen yet
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_it_serves_what_it_is_told(balancer: LoadBalancer, pods: dict[str, Pod]) -> None:
    wait_until(lambda: get(HOME) == (200, "127.0.1.1"))
    wait_until(lambda: get(OTHER) == (200, "127.0.1.2"))
    assert get(HOME, "/x", "old.example:80") == (301, "https://new.example/x")
    wait_until(lambda: get(HOME, "/cart/1") == (200, "127.0.1.3"))  # by weight, sometimes
    assert all(get(HOME, "/cartoon") == (200, "127.0.1.1") for _ in range(5))
    pods["127.0.1.1"].ready = False
    wait_until(lambda: get(HOME) == (200, "127.0.1.2"))
    pods["127.0.1.1"].ready = True
    wait_until(lambda: get(HOME) == (200, "127.0.1.1"))
    balancer.configure(FRONT_END, {**ENDPOINTS, SHOP.key: {OTHER: ["127.0.1.2"]}})
    wait_until(lambda: get(HOME) == (200, "127.0.1.2"))
    balancer.configure(FrontEnd(), {})
    wait_until(lambda: get(HOME)[0] == 404)
    balancer.check()
