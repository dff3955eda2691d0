"""The lab's check of each load balancer, with fake users."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.lab import front_ends
from tests.lab.demo import LabDemo
from tests.lab.front_ends import OTHER_HOST, check_front_ends
from tests.local_mesh.front_end import GATEWAY, FrontEnd, Route
from tests.reporting.report import Report

ADDRESS = IPv4Address("198.51.100.1")
HOST = "shop.example.com"
VERSIONS = {"tokyo": "v1", "osaka": "v2"}


class User:
    """Gets the version of its region for the host, and 404 for others."""

    others = 404

    def __init__(self, address: str, port: int, host: str, where: str) -> None:
        assert (address, port) == (str(ADDRESS), 80)
        self._host, self._region = host, where

    def send(self, path: str, count: int) -> Sequence[Any]:
        found = SimpleNamespace(version=VERSIONS[self._region], status=200)
        if self._host == OTHER_HOST:
            found.status = self.others
        return [found] * count


def demo(versions: dict[str, str]) -> LabDemo:
    lab = SimpleNamespace(network=SimpleNamespace(region=lambda key: key))
    return cast(LabDemo, SimpleNamespace(lab=lab, versions=versions, path="/hello", settle=lambda *_: 0.0))


@pytest.mark.parametrize(
    ("versions", "others", "hosts", "ok"),
    [
        (VERSIONS, 404, HOST, True),
        (VERSIONS, 200, HOST, False),
        (VERSIONS, 200, "*", True),
        ({**VERSIONS, "osaka": "v1"}, 404, HOST, False),
    ],
)
def test_every_user_is_served_locally_for_the_hosts_alone(
    monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], others: int, hosts: str, ok: bool
) -> None:
    monkeypatch.setattr(front_ends, "Client", User)
    monkeypatch.setattr(User, "others", others)
    front_end = replace(FrontEnd(), routes=(Route(hosts, "PathPrefix", "/"),))
    report = Report("Lab", show=lambda _: None, clock=lambda: 0.0)
    check_front_ends(demo(versions), {ADDRESS: ((GATEWAY, "external"), front_end)}, report)
    assert report.ok is ok
