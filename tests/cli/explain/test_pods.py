"""What a pod's annotations and its sockets say: which connections are captured, and on which ports it listens."""

from typing import Any

import pytest

from cli.explain.capture import inbound_exception, outbound_exception
from cli.explain.listening import parse_sockets, shown_ports

SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100000A:0050 0200000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
   3: 00000000:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   1: 00000000000000000000000001000000:2329 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   2: 0000000000000000FFFF00000100007F:232A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""


def test_ports_on_which_a_pod_listens() -> None:
    """Port 80 is a connection, and not a listening socket."""
    expected = {5000: True, 8080: False, 15006: True, 9000: True, 9001: False, 9002: False}
    assert parse_sockets(SOCKETS) == expected
    assert shown_ports(expected) == "5000, 8080, 9000, 9001, 9002"
    assert shown_ports([15006]) == "none"


def _pod(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {f"traffic.sidecar.istio.io/{key}": one for key, one in annotations.items()}}}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, ""),
        ({"excludeOutboundPorts": "443, 8080"}, "excludeOutboundPorts"),
        ({"excludeOutboundPorts": "443"}, ""),
        ({"excludeOutboundIPRanges": "10.64.0.0/16"}, "excludeOutboundIPRanges"),
        ({"excludeOutboundIPRanges": "10.65.0.0/16"}, ""),
        ({"includeOutboundIPRanges": "10.65.0.0/16"}, "includeOutboundIPRanges"),
        ({"includeOutboundIPRanges": "10.64.0.0/16"}, ""),
        ({"includeOutboundIPRanges": "", "includeOutboundPorts": "8080"}, ""),
    ],
)
def test_outbound_connections_that_bypass_the_proxy(annotations: dict[str, str], expected: str) -> None:
    assert outbound_exception(_pod(**annotations), "10.64.3.4", 8080).rpartition("/")[2] == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, ""),
        ({"excludeInboundPorts": "8080"}, "excludeInboundPorts"),
        ({"includeInboundPorts": "*"}, ""),
        ({"includeInboundPorts": "9090"}, "includeInboundPorts"),
    ],
)
def test_inbound_connections_that_bypass_the_proxy(annotations: dict[str, str], expected: str) -> None:
    assert inbound_exception(_pod(**annotations), 8080).rpartition("/")[2] == expected
