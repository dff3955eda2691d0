"""What Envoy's RBAC filters decide.

Expected results: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto, and
https://istio.io/latest/docs/concepts/security/#implicit-enablement of the order of CUSTOM, DENY and ALLOW.
"""

from typing import Any

import pytest

from cli.explain.authorization import Peer, decide
from cli.explain.routes import Request

REQUEST = Request("shop.apps.svc.cluster.local", 8080, "/cart")
ORDERS = Peer("spiffe://cluster.local/ns/apps/sa/orders", "10.0.0.7")
PLAIN = Peer("", "10.0.0.7")
ANY = {"any": True}
NAME = "ns[apps]-policy[shop]-rule[0]"


def _filter(permission: Any = ANY, principal: Any = ANY, action: str = "ALLOW", name: str = NAME) -> dict[str, Any]:
    policies = {name: {"permissions": [permission], "principals": [principal]}}
    return {"name": "envoy.filters.http.rbac", "typed_config": {"rules": {"action": action, "policies": policies}}}


def _is(name: str) -> dict[str, Any]:
    return {"authenticated": {"principal_name": {"exact": name}}}


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ({"destination_port": 8080}, True),
        ({"destination_port": 9090}, False),
        ({"destination_port_range": {"start": 8000, "end": 8080}}, False),
        ({"not_rule": {"destination_port": 9090}}, True),
        ({"url_path": {"path": {"prefix": "/cart"}}}, True),
        ({"url_path": {"path": {"exact": "/"}}}, False),
        ({"header": {"name": ":method", "string_match": {"exact": "GET"}}}, True),
        ({"header": {"name": ":method", "exact_match": "POST"}}, False),
        ({"header": {"name": "x-user", "present_match": True}}, None),
        ({"and_rules": {"rules": [ANY, {"destination_port": 9090}]}}, False),
        ({"or_rules": {"rules": [{"destination_port": 9090}, ANY]}}, True),
        ({"and_rules": {"rules": [{"destination_port": 9090}, {"header": {"name": "x"}}]}}, False),
        ({"or_rules": {"rules": [{"destination_port": 9090}, {"header": {"name": "x"}}]}}, None),
    ],
)
def test_permissions(permission: Any, allowed: bool | None) -> None:
    assert decide([_filter(permission)], REQUEST, ORDERS).allowed is allowed


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        (_is("spiffe://cluster.local/ns/apps/sa/orders"), True),
        (_is("spiffe://cluster.local/ns/apps/sa/order"), False),
        ({"authenticated": {"principal_name": {"safe_regex": {"regex": "spiffe://.*/ns/apps/.*"}}}}, True),
        ({"authenticated": {"principal_name": {"safe_regex": {"regex": ".*/ns/apps"}}}}, False),
        ({"authenticated": {}}, True),
        ({"filter_state": {"key": "io.istio.peer_principal", "string_match": {"suffix": "/sa/orders"}}}, True),
        ({"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 24}}, True),
        ({"direct_remote_ip": {"address_prefix": "10.0.1.0", "prefix_len": 24}}, False),
        ({"not_id": _is("spiffe://cluster.local/ns/apps/sa/orders")}, False),
        ({"metadata": {"filter": "envoy.filters.http.jwt_authn"}}, None),
    ],
)
def test_principals(principal: Any, allowed: bool | None) -> None:
    assert decide([_filter(principal=principal)], REQUEST, ORDERS).allowed is allowed


@pytest.mark.parametrize("principal", [_is("spiffe://cluster.local/ns/apps/sa/orders"), {"authenticated": {}}])
def test_plain_text_has_no_identity(principal: Any) -> None:
    assert decide([_filter(principal=principal)], REQUEST, PLAIN).allowed is False


def test_no_filter_allows() -> None:
    assert decide([], REQUEST, ORDERS).allowed is True


def test_a_dry_run_has_no_effect() -> None:
    dry = {"name": "envoy.filters.http.rbac", "typed_config": {"shadow_rules": {"action": "DENY"}}}
    assert decide([dry], REQUEST, ORDERS).allowed is True


def test_deny_comes_before_allow() -> None:
    deny = _filter(action="DENY", name="ns[istio-system]-policy[stop]-rule[3]")
    decision = decide([deny, _filter()], REQUEST, ORDERS)
    assert decision.allowed is False
    assert str(decision.rule) == "AuthorizationPolicy istio-system/stop, spec.rules[3]"


def test_a_deny_rule_that_does_not_match() -> None:
    decision = decide([_filter({"destination_port": 1}, action="DENY"), _filter()], REQUEST, ORDERS)
    assert decision.allowed is True
    assert str(decision.rule) == "AuthorizationPolicy apps/shop, spec.rules[0]"


@pytest.mark.parametrize(
    ("permission", "principal", "near"),
    [
        ({"destination_port": 8080}, _is("spiffe://cluster.local/ns/apps/sa/other"), ["from"]),
        ({"destination_port": 9090}, _is(ORDERS.identity), ["to"]),
        ({"destination_port": 9090}, _is("spiffe://cluster.local/ns/apps/sa/other"), []),
        ({"not_rule": ANY}, {"not_id": ANY}, []),
    ],
)
def test_which_part_of_a_rule_does_not_match(permission: Any, principal: Any, near: list[str]) -> None:
    decision = decide([_filter(permission, principal)], REQUEST, ORDERS)
    assert decision.allowed is False
    assert [one.field for one in decision.near] == near
    assert [one.policy for one in decision.policies] == ["shop"]


def test_an_external_authorizer_is_reported() -> None:
    assert decide([{"name": "envoy.filters.http.ext_authz", "typed_config": {}}], REQUEST, ORDERS).external
