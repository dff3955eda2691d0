"""Authorization: unauthorized requests are rejected, and the same requests succeed for authorized clients."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.demo import CLIENT_APP, DEMO_NAMESPACE
from config.environment import DEMO_SERVICE, Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab.demo import GATEWAY_PORT, PUBLIC_HOST, LabDemo
from tests.local_mesh.rendered import Object
from tests.local_mesh.traffic import Client, DemoResponse
from tests.reporting.report import Report
from tests.reporting.table import Table

REQUESTS = 10
SERVED, FORBIDDEN, REFUSED = 200, 403, 0
WORDS = {SERVED: "200", FORBIDDEN: "403", REFUSED: "no connection"}

OTHER_NAMESPACE = "elsewhere"
"""Namespace of an unauthorized client."""


def with_unauthorized_clients(rendered: Mapping[str, Sequence[Object]]) -> dict[str, list[Object]]:
    """Return the objects of each region with a copy of the client in another namespace, which has another identity."""
    return {
        region: [*objects, *_copy_namespace(objects, OTHER_NAMESPACE), *copy_client(objects, OTHER_NAMESPACE)]
        for region, objects in rendered.items()
    }


def _copy_namespace(objects: Sequence[Object], namespace: str) -> list[Object]:
    """Return the demo's namespace, under another name."""
    found = [one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Namespace", DEMO_NAMESPACE)]
    return [{**one, "metadata": {**one["metadata"], "name": namespace}} for one in found]


def copy_client(objects: Sequence[Object], namespace: str) -> list[Object]:
    """Return the objects of the demo's client, in another namespace."""
    names = (DEMO_NAMESPACE, CLIENT_APP)
    found = [one for one in objects if (one["metadata"].get("namespace"), one["metadata"]["name"]) == names]
    return [copy.deepcopy(one) | {"metadata": {**one["metadata"], "namespace": namespace}} for one in found]


def check_authorization(demo: LabDemo, report: Report) -> None:
    """Send requests in every region from authorized and unauthorized clients, and without a certificate."""
    columns = ["Region", "Client", "Server", "Requests", "Response", "Expected response"]
    table = Table("Authorization: default deny and mutual TLS", columns)
    rejected = sent = 0
    unauthorized = expect_unauthorized(demo.environment)
    plain = expect_without_certificate(demo.environment)
    for region in demo.versions:
        service = f"{DEMO_SERVICE}:{demo.service.port}"
        local = demo.lab.pod(region, demo.service.namespace, DEMO_SERVICE)
        gateway = demo.lab.pod(region, GATEWAY_NAMESPACE, GATEWAY_NAME)
        direct = Client(str(gateway.address), GATEWAY_PORT, PUBLIC_HOST, where=demo.client(region).where)
        outsider = Client(str(local.address), demo.service.port, service)
        for name, server, client, expected in (
            ("sleep", service, demo.client(region), SERVED),
            ("sleep in another namespace", service, _unauthorized_client(demo, region), unauthorized),
            ("outside the mesh", service, outsider, plain),
            ("load balancer", "gateway", demo.gateways(region)[0], SERVED),
            ("sleep", "gateway", direct, unauthorized),
        ):
            responses = client.send(demo.path, REQUESTS)
            table.add(
                *(region, name, server, len(responses), format_statuses(responses), WORDS[expected]),
                ok=all_have_status(responses, expected),
            )
            if expected != SERVED:
                sent += len(responses)
                rejected += sum(response.status != SERVED for response in responses)
    report.figure("Authorization", f"{rejected} of {sent} unauthorized requests rejected")
    report.add(table)


def _unauthorized_client(demo: LabDemo, region: str) -> Client:
    """Return the client of `with_unauthorized_clients`, which sends the same requests as the demo's."""
    pod = demo.lab.pod(region, OTHER_NAMESPACE, CLIENT_APP)
    return replace(demo.client(region), where=demo.lab.network.pod(f"{region}.{pod.name}"))


def expect_unauthorized(environment: Environment) -> int:
    """Return the expected status of an HTTP or gRPC request of an unauthorized client."""
    return FORBIDDEN if environment.mesh.default_deny else SERVED


def expect_without_certificate(environment: Environment) -> int:
    """Return the expected status of a plain connection, which has no identity for a policy."""
    return REFUSED if environment.mesh.mtls == "strict" else expect_unauthorized(environment)


def all_have_status(responses: Sequence[DemoResponse], status: int) -> bool:
    return bool(responses) and all(response.status == status for response in responses)


def format_statuses(responses: Sequence[DemoResponse]) -> str:
    found = sorted({response.status for response in responses})
    return ", ".join(WORDS.get(status, str(status)) for status in found)
