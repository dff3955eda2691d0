"""The load balancer's timeout, which follows from the services that it sends requests to."""

from typing import Any

import pytest
import yaml

from tests.synthesized import environment_of, minimal_configuration

ROUTED = {"routes": [{"path": "/"}]}


@pytest.mark.parametrize(
    ("services", "seconds"),
    [
        ([], None),
        ([ROUTED], None),
        ([{"timeout_seconds": 29, **ROUTED}], None),
        # The load balancer would respond first.
        ([{"timeout_seconds": 29.5, **ROUTED}], 31),
        ([{"timeout_seconds": 300, **ROUTED}, {"timeout_seconds": 60, "routes": [{"path": "/b"}]}], 301),
        # Streams and WebSockets.
        ([{"timeout_seconds": None, **ROUTED}, {"timeout_seconds": 60, "routes": [{"path": "/b"}]}], 86400),
        # No request of the load balancer's reaches these.
        ([{"timeout_seconds": 300}], None),
        ([{"timeout_seconds": 300, "routes": [{"path": "/", "redirect": {"path": "/new"}}]}], None),
    ],
)
def test_the_longest_timeout_of_a_service_with_routes(services: list[dict[str, Any]], seconds: int | None) -> None:
    content = minimal_configuration(tokyo=1)
    plain = {"image": "example.com/a:1", "port": 8080}
    content["services"] = {name: plain | one for name, one in zip("ab", services, strict=False)}
    assert environment_of(yaml.safe_dump(content)).load_balancer_seconds == seconds


def test_the_demo_has_googles_own() -> None:
    content = minimal_configuration(tokyo=1)
    content["demo"]["enabled"] = True
    assert environment_of(yaml.safe_dump(content)).load_balancer_seconds is None
