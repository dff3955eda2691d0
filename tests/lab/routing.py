"""Routes: which service, port and path a request from outside gets, and what happens to its headers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.lab.services import API_HOST, OTHER_HOST, SHOP_HOST, LabServices
from tests.local_mesh.traffic import Client, DemoResponse
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS = 5

ORIGIN = "https://app.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-token"}


def show_service(response: DemoResponse) -> str:
    """Return the service that responded, its port's protocol aside, and the path that it got."""
    if not response.facts:
        return str(response.status)
    service = response.facts["image"].rpartition("/")[2].partition(":")[0]
    return f"{service} {response.facts['path']}"


def show_port(response: DemoResponse) -> str:
    return f"{show_service(response)}, port {response.facts.get('port')}"


def show_redirect(response: DemoResponse) -> str:
    return f"{response.status} {response.headers.get('location', '')}"


def show_request_headers(response: DemoResponse) -> str:
    return _show(response.facts.get("headers", {}), "x-set", "x-add", "x-remove")


def show_response_headers(response: DemoResponse) -> str:
    return _show(response.headers, "x-response", "x-peer")


def show_preflight(response: DemoResponse) -> str:
    names = ("origin", "methods", "headers", "credentials")
    shown = _show(response.headers, *(f"access-control-allow-{name}" for name in names), "access-control-max-age")
    return f"{response.status} {shown}".replace("access-control-", "")


def show_origin(response: DemoResponse) -> str:
    names = ("access-control-allow-origin", "access-control-expose-headers")
    return f"{response.status} {_show(response.headers, *names)}".replace("access-control-", "").strip()


def _show(headers: dict[str, str] | object, *names: str) -> str:
    assert isinstance(headers, dict)
    return ", ".join(f"{name}: {headers[name]}" for name in names if name in headers)


@dataclass(frozen=True)
class RouteCase:
    """A request, and what its response has to show.

    Attributes:
        keys: of the route in the configuration.
        host: of the request.
        path: of the request.
        expected: what `show` returns.
        show: the part of the response that matters.
        method: of the request.
        headers: of the request.
    """

    keys: str
    host: str
    path: str
    expected: str
    show: Callable[[DemoResponse], str] = show_service
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)

    def client(self, services: LabServices, region: str) -> Client:
        return services.gateway(region, self.host, self.method, self.headers)


CASES = (
    RouteCase("host, path: /", SHOP_HOST, "/", "lab-http /"),
    RouteCase("host, path: /", API_HOST, "/cart/items", "lab-http2 /cart/items"),
    RouteCase("path without host", SHOP_HOST, "/lab/1", "lab-http /lab/1"),
    RouteCase("path without host", OTHER_HOST, "/lab/1", "lab-http /lab/1"),
    RouteCase("another host", OTHER_HOST, "/", "404"),
    RouteCase("longest prefix", SHOP_HOST, "/cart/items/1", "lab-http2 /cart/items/1"),
    RouteCase("longest prefix", SHOP_HOST, "/cart/item", "lab-http /cart/item"),
    RouteCase("whole segments", SHOP_HOST, "/cart/itemsize", "lab-http /cart/itemsize"),
    RouteCase("match: exact", SHOP_HOST, "/cart/help", "lab-http /cart/help"),
    RouteCase("port", SHOP_HOST, "/admin/users", "lab-http /admin/users, port 9090", show_port),
    RouteCase("rewrite", SHOP_HOST, "/docs", "lab-http /"),
    RouteCase("rewrite, list of paths", SHOP_HOST, "/manual/a?b=c", "lab-http /a?b=c"),
    RouteCase("redirect", SHOP_HOST, "/old/page", f"308 https://{SHOP_HOST}/new", show_redirect),
    RouteCase(
        "request_headers",
        SHOP_HOST,
        "/headers",
        "x-set: lab, x-add: client,lab",
        show_request_headers,
        headers={"X-Set": "client", "X-Add": "client", "X-Remove": "client"},
    ),
    RouteCase("response_headers", SHOP_HOST, "/headers", "x-response: lab", show_response_headers),
    RouteCase(
        "cors: preflight",
        SHOP_HOST,
        "/cors",
        f"200 allow-origin: {ORIGIN}, allow-methods: GET,PUT, allow-headers: x-token, allow-credentials: true, "
        "max-age: 600",
        show_preflight,
        "OPTIONS",
        PREFLIGHT,
    ),
    RouteCase(
        "cors: allowed origin",
        SHOP_HOST,
        "/cors",
        f"200 allow-origin: {ORIGIN}, expose-headers: x-peer",
        show_origin,
        headers={"Origin": ORIGIN},
    ),
    RouteCase("cors: another origin", SHOP_HOST, "/cors", "200", show_origin, headers={"Origin": "https://b.example"}),
)
"""The routes of `services.yaml`, by hand: nothing of the configuration is read."""


def check_routes(services: LabServices, report: Report) -> None:
    """Send each request to a gateway of every region."""
    table = Table(
        "Routes: requests from the load balancer, by host and longest prefix",
        ["Keys", "Request", "Requests", "Response", "Expected response"],
    )
    passed = 0
    with report.filling(table):
        for case in CASES:
            responses = [
                response
                for region in services.regions
                for response in case.client(services, region).send(case.path, REQUESTS)
            ]
            shown = sorted({case.show(response) for response in responses})
            right = shown == [case.expected]
            passed += right
            request = f"{case.method} {case.host}{case.path}"
            table.add(case.keys, request, len(responses), "; ".join(shown), case.expected, ok=right)
    report.figure("Routes", f"{passed} of {len(CASES)} kinds of requests got the configured response")
