"""Who is refused: what the mesh's policies are for. Beside each stands who asks the same with the right to."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from config.demo import CLIENT_APP, DEMO_NAMESPACE
from config.environment import DEMO_SERVICE, Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab.demo import GATEWAY_PORT, PUBLIC_HOST, LabDemo
from tests.local_mesh.rendered import Object
from tests.local_mesh.traffic import Client, Response
from tests.reporting.table import Table

REQUESTS = 10
ANSWERED, FORBIDDEN, CUT_OFF = 200, 403, 0
WORDS = {ANSWERED: "answered", FORBIDDEN: "403", CUT_OFF: "no connection"}

ELSEWHERE = "elsewhere"
"""Namespace of a client that nobody has allowed."""


def with_strangers(rendered: Mapping[str, Sequence[Object]]) -> dict[str, list[Object]]:
    """Return the objects of each region with one more client, the same in another namespace: it is another one."""
    return {region: [*objects, *_moved(objects)] for region, objects in rendered.items()}


def _moved(objects: Sequence[Object]) -> list[Object]:
    moved = []
    for one in objects:
        metadata = one["metadata"]
        if (one["kind"], metadata["name"]) == ("Namespace", DEMO_NAMESPACE):
            moved.append({**one, "metadata": {**metadata, "name": ELSEWHERE}})
        elif (metadata.get("namespace"), metadata["name"]) == (DEMO_NAMESPACE, CLIENT_APP):
            moved.append(copy.deepcopy(one) | {"metadata": {**metadata, "namespace": ELSEWHERE}})
    return moved


def refusals(demo: LabDemo) -> Table:
    """Ask in every region with and without the right to, and without a certificate."""
    table = Table("Refused: whom no policy allows, and who has no certificate", ["in", "who", "asks", "requests", "is"])
    stranger = _without_right(demo.environment)
    plain = _without_certificate(demo.environment)
    for region in demo.versions:
        service = f"{DEMO_SERVICE}:{demo.service.port}"
        local = demo.lab.pod(region, demo.service.namespace, DEMO_SERVICE)
        gateway = demo.lab.pod(region, GATEWAY_NAMESPACE, GATEWAY_NAME)
        around = Client(str(gateway.address), GATEWAY_PORT, PUBLIC_HOST, where=demo.client(region).where)
        outside = Client(str(local.address), demo.service.port, service)
        for who, whom, client, expected in (
            ("the client", service, demo.client(region), ANSWERED),
            ("one in another namespace", service, _stranger(demo, region), stranger),
            ("nobody of the mesh", service, outside, plain),
            ("the load balancer", "gateway", demo.gateways(region)[0], ANSWERED),
            ("the client, around it", "gateway", around, stranger),
        ):
            answers = client.send(demo.path, REQUESTS)
            table.add(region, who, whom, len(answers), _seen(answers), ok=_all(answers, expected))
    return table


def _stranger(demo: LabDemo, region: str) -> Client:
    """Return the client that `with_strangers` has added, which asks as the other one does."""
    pod = demo.lab.pod(region, ELSEWHERE, CLIENT_APP)
    return replace(demo.client(region), where=demo.lab.network.pod(f"{region}.{pod.name}"))


def _without_right(environment: Environment) -> int:
    return FORBIDDEN if environment.mesh.default_deny else ANSWERED


def _without_certificate(environment: Environment) -> int:
    """Return what comes of a plain connection: a policy knows nobody by it."""
    return CUT_OFF if environment.mesh.mtls == "strict" else _without_right(environment)


def _all(answers: Sequence[Response], status: int) -> bool:
    return bool(answers) and all(answer.status == status for answer in answers)


def _seen(answers: Sequence[Response]) -> str:
    found = sorted({answer.status for answer in answers})
    return ", ".join(WORDS.get(status, str(status)) for status in found)
