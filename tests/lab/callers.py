"""Who may call the services: every port, with every protocol, and the pods of another pipeline."""

from collections.abc import Iterator, Sequence

from config.demo import CLIENT_APP
from tests.lab.authorization import (
    OTHER_NAMESPACE,
    REFUSED,
    REQUESTS,
    SERVED,
    WORDS,
    all_have_status,
    expect_unauthorized,
    expect_without_certificate,
    format_statuses,
)
from tests.lab.services import (
    CATALOG,
    DEMO_CALLER,
    GRPC,
    HTTP,
    JOBS,
    NAMESPACE,
    OTHER_HOST,
    PRICES,
    SHOP,
    TCP,
    LabServices,
)
from tests.local_mesh.traffic import DemoResponse, tally
from tests.reporting.report import Report
from tests.reporting.table import Table

STRANGER = f"{OTHER_NAMESPACE}/{CLIENT_APP}"
JOB = f"{JOBS}/{CLIENT_APP}"
CATALOG_POD = f"{SHOP}/{CATALOG}"

Row = tuple[str, str, Sequence[DemoResponse], int]
"""The client, the server, the responses, and their expected status."""


def check_callers(services: LabServices, report: Report) -> None:
    """Send requests to the services from authorized and unauthorized clients."""
    for title, build_rows in (
        ("Authorization: every port of a service, with every protocol", _service_rows),
        ("Workloads of another pipeline: served and refused like any other", _pipeline_rows),
    ):
        columns = ["Region", "Client", "Server", "Requests", "Response", "Expected response", "Versions"]
        table = Table(title, columns)
        with report.filling(table):
            for region in services.regions:
                for client, server, responses, expected in build_rows(services, region):
                    versions = sorted(tally(responses)) if expected == SERVED else []
                    table.add(
                        *(region, client, server, len(responses), format_statuses(responses), WORDS[expected]),
                        ", ".join(versions),
                        ok=all_have_status(responses, expected),
                    )


def _service_rows(services: LabServices, region: str) -> Iterator[Row]:
    http = f"{NAMESPACE}/{HTTP}"
    unauthorized, plain = _expected(services)
    for port in (8080, 9090):
        for caller, expected in ((DEMO_CALLER, SERVED), (JOB, SERVED), (STRANGER, unauthorized)):
            yield caller, f"{HTTP}:{port}", services.http(region, http, port, caller).send("/", REQUESTS), expected
        responses = services.outsider(region, http, port).send("/", REQUESTS)
        yield "outside the mesh", f"{HTTP}:{port}", responses, plain
    for caller, expected in ((DEMO_CALLER, SERVED), (STRANGER, unauthorized)):
        yield caller, GRPC, services.grpc(region, caller).send(REQUESTS), expected
    for caller, expected in ((DEMO_CALLER, SERVED), (STRANGER, REFUSED if unauthorized != SERVED else SERVED)):
        yield caller, TCP, services.tcp(region, caller).send(REQUESTS), expected


def _pipeline_rows(services: LabServices, region: str) -> Iterator[Row]:
    catalog, prices = f"{SHOP}/{CATALOG}", f"{SHOP}/{PRICES}"
    path = f"/{CATALOG}/1"
    unauthorized, plain = _expected(services)
    yield "load balancer", CATALOG, services.gateway(region, OTHER_HOST).send(path, REQUESTS), SERVED
    for caller, server, port, expected in (
        (JOB, catalog, 8080, SERVED),
        (DEMO_CALLER, catalog, 8080, unauthorized),
        (CATALOG_POD, prices, 9090, SERVED),
        (JOB, prices, 9090, unauthorized),
    ):
        responses = services.http(region, server, port, caller).send(path, REQUESTS)
        yield caller, server.partition("/")[2], responses, expected
    responses = services.outsider(region, catalog, 8080).send(path, REQUESTS)
    yield "outside the mesh", CATALOG, responses, plain


def _expected(services: LabServices) -> tuple[int, int]:
    """Return the expected statuses of an unauthorized client, and of one without a certificate."""
    return expect_unauthorized(services.environment), expect_without_certificate(services.environment)
