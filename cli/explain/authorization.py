"""How Envoy's RBAC filters, which Istio makes of AuthorizationPolicies, decide on a request.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from cli.explain.proxy import Part
from cli.explain.routes import Request, full_match, string_matches

FILTERS = ("envoy.filters.http.rbac", "envoy.filters.network.rbac")
EXTERNAL_FILTERS = ("envoy.filters.http.ext_authz", "envoy.filters.network.ext_authz")
PEER = "io.istio.peer_principal"
"""Key of the filter state in which newer versions of Istio have the caller's identity."""

_NAME = re.compile(r"ns\[(?P<namespace>.+)\]-policy\[(?P<name>.+)\]-rule\[(?P<rule>\d+)\]")


@dataclass(frozen=True)
class Peer:
    """Who sends a request, as the server's proxy sees it.

    Attributes:
        identity: Of the certificate, such as ``spiffe://cluster.local/ns/sample/sa/sleep``; empty in plain text.
        address: From which it connects; empty if that is not known.
    """

    identity: str
    address: str


@dataclass(frozen=True)
class PolicyRule:
    """A rule of an AuthorizationPolicy.

    Attributes:
        namespace: Of the policy.
        policy: Its name.
        rule: The rule's place in it.
    """

    namespace: str
    policy: str
    rule: int

    @classmethod
    def of(cls, name: str) -> "PolicyRule":
        """Return the rule from which Istio has made a policy of Envoy's."""
        found = _NAME.fullmatch(name)
        return cls(found["namespace"], found["name"], int(found["rule"])) if found else cls("", name, 0)

    @property
    def key(self) -> str:
        return f"AuthorizationPolicy {self.namespace}/{self.policy}"

    def __str__(self) -> str:
        return f"{self.key}, spec.rules[{self.rule}]"


@dataclass(frozen=True)
class Near:
    """A rule that would allow the request but for its callers, or but for what they may request.

    Attributes:
        rule: The rule.
        field: ``from`` or ``to``: what does not match.
    """

    rule: PolicyRule
    field: str


@dataclass(frozen=True)
class Decision:
    """What the filters decide.

    Attributes:
        allowed: Whether the request passes; None if that depends on headers or on a token.
        rule: The rule that has decided; None if no policy is in effect, or no ALLOW rule matches.
        near: If no ALLOW rule matches, those of which a part does.
        policies: The policies that have ALLOW rules.
        external: Whether an external authorizer is called, too.
    """

    allowed: bool | None
    rule: PolicyRule | None = None
    near: Sequence[Near] = ()
    policies: Sequence[PolicyRule] = ()
    external: bool = False


def decide(filters: Sequence[Part], request: Request, peer: Peer) -> Decision:
    """Return what the RBAC filters among a chain's filters decide. Rules that are only a dry run have no part in it.

    Args:
        filters: Of HTTP, or of a network filter chain, in their order.
        request: The request, with the port of the pod.
        peer: Its sender.
    """
    external = any(one["name"] in EXTERNAL_FILTERS for one in filters)
    decided = Decision(True, external=external)
    for rules in (one["typed_config"].get("rules") for one in filters if one["name"] in FILTERS):
        if rules is None or rules.get("action") == "LOG":
            continue
        decided = _decide(rules, request, peer, external=external)
        if decided.allowed is not True:
            return decided
    return decided


def _decide(rules: Part, request: Request, peer: Peer, *, external: bool) -> Decision:
    deny: bool = rules.get("action") == "DENY"
    perhaps, near = None, []
    for name, policy in rules.get("policies", {}).items():
        rule = PolicyRule.of(name)
        permitted = _any(_permission(one, request, peer) for one in policy["permissions"])
        known = _any(_principal(one, request, peer) for one in policy["principals"])
        match = _all([permitted, known])
        if match is True:
            return Decision(not deny, rule, external=external)
        if match is None and perhaps is None:
            perhaps = rule
        if permitted is True and not _matches_no_caller(policy):
            near.append(Near(rule, "from"))
        elif known is True:
            near.append(Near(rule, "to"))
    if perhaps is not None:
        return Decision(None, perhaps, external=external)
    policies = [PolicyRule.of(name) for name in rules.get("policies", {})]
    return Decision(deny, None, () if deny else near, () if deny else policies, external=external)


def _matches_no_caller(policy: Part) -> bool:
    """Return whether it is what Istio makes of a policy without rules."""
    return bool(policy["principals"] == [{"not_id": {"any": True}}])


def _permission(one: Part, request: Request, peer: Peer) -> bool | None:
    if "and_rules" in one:
        return _all(_permission(each, request, peer) for each in one["and_rules"]["rules"])
    if "or_rules" in one:
        return _any(_permission(each, request, peer) for each in one["or_rules"]["rules"])
    if "not_rule" in one:
        return _not(_permission(one["not_rule"], request, peer))
    if "destination_port" in one:
        return bool(one["destination_port"] == request.port)
    if "destination_port_range" in one:
        ports = one["destination_port_range"]
        return bool(ports.get("start", 0) <= request.port < ports["end"])
    return _common(one, request)


def _principal(one: Part, request: Request, peer: Peer) -> bool | None:
    if "and_ids" in one:
        return _all(_principal(each, request, peer) for each in one["and_ids"]["ids"])
    if "or_ids" in one:
        return _any(_principal(each, request, peer) for each in one["or_ids"]["ids"])
    if "not_id" in one:
        return _not(_principal(one["not_id"], request, peer))
    if "authenticated" in one:
        name = one["authenticated"].get("principal_name")
        return bool(peer.identity) and (name is None or string_matches(name, peer.identity))
    if one.get("filter_state", {}).get("key") == PEER:
        return bool(peer.identity) and string_matches(one["filter_state"].get("string_match", {}), peer.identity)
    for key in ("direct_remote_ip", "remote_ip", "source_ip"):
        if key in one:
            return _in_range(one[key], peer.address)
    return _common(one, request)


def _common(one: Part, request: Request) -> bool | None:
    """Return whether what permissions and principals both have matches; None of what is not known here."""
    if "any" in one:
        return bool(one["any"])
    path = request.path.partition("?")[0]
    if "url_path" in one:
        return string_matches(one["url_path"].get("path", {}), path)
    if "header" in one:
        return _header(one["header"], request)
    return None


def _header(header: Part, request: Request) -> bool | None:
    known = {":method": request.method, ":authority": request.host, "host": request.host, ":path": request.path}
    value = known.get(header["name"].lower())
    if value is None:
        return None
    found: bool | None
    if "string_match" in header:
        found = string_matches(header["string_match"], value)
    elif "safe_regex_match" in header:
        found = full_match(header["safe_regex_match"], value)
    else:
        old = {key.removesuffix("_match"): text for key, text in header.items() if key.endswith("_match")}
        found = True if "present" in old else string_matches(old, value)
    return _not(found) if header.get("invert_match") else found


def _in_range(block: Part, address: str) -> bool | None:
    if not address:
        return None
    network = ip_network(f"{block['address_prefix']}/{block.get('prefix_len', 0)}", strict=False)
    return ip_address(address) in network


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: "Iterator[bool | None] | Sequence[bool | None]") -> bool | None:
    found = list(values)
    return False if False in found else None if None in found else True


def _any(values: Iterator[bool | None]) -> bool | None:
    found = list(values)
    return True if True in found else None if None in found else False
