"""Paths of URLs, as a route of Envoy matches them.

Sources: path-abempty of https://www.rfc-editor.org/rfc/rfc3986#section-3.3 for what a path is;
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
(normalize_path) and https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ProxyPathNormalization
for what gateways change before they match it.
"""

import re
from urllib.parse import quote, unquote

_PCHAR = r"([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
PATTERN = rf"/(?!/)({_PCHAR}+/)*{_PCHAR}*"
"""Without two slashes in a row. Envoy can merge them, as servers do."""

_QUERY = r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
REQUEST_PATTERN = rf"/(?!/)({_PCHAR}|/)*(\?{_QUERY})?"
"""A path with a query, as a client writes it."""

_UNRESERVED = r"[A-Za-z0-9._~-]"


def problem(text: str) -> str | None:
    """Return what is wrong with a path, or None."""
    if not text.strip():
        return "is empty; name a path such as /checkout"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return "must be a path alone, without a scheme and a host, such as /checkout"
    if not text.startswith("/"):
        return f"must be a path that starts with a slash; write {'/' + text.lstrip(' ./')!r}"
    for sign, name in (("?", "query"), ("#", "fragment")):
        if sign in text:
            return f"must be a path without a {name}, as routes match the path only; remove it, from {sign} on"
    if "\\" in text:
        return "must be a path without backslashes, which gateways turn into slashes"
    if rule := _characters(text, "a path of a URL"):
        return rule
    if re.search(r"/\*+(/|$)", text):
        return "has *, which is not a wildcard in a route; write the path before it, with match: prefix"
    return _changed(text)


def request_problem(text: str) -> str | None:
    """Return what is wrong with the path of a request, which may have a query; or None.

    The kubelet parses it, and reads a host between two slashes and the next one, which it drops:
    https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/probe/http/request.go (formatURL)
    """
    if not text.startswith("/"):
        return "must be a path such as /ready, and a query if need be"
    if text.startswith("//"):
        return f"must start with one slash: what follows two is read as a host; write {'/' + text.lstrip('/')!r}"
    path, _, query = text.partition("?")
    if "#" in text:
        return "must be a path without a fragment, which no request has: take away what begins with #"
    return _characters(path, "a path of a URL") or _characters(query.replace("?", "/"), "the query of a URL")


def _characters(text: str, kind: str) -> str | None:
    """Return what is wrong with the characters of a part of a URL, or None."""
    if bad := re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return f"has a % without two hexadecimal digits after it, at character {bad.start() + 1}; for a % write %25"
    if bad := re.search(r"[^/%]", re.sub(_PCHAR, "", text)):
        return f"must be {kind}, in which {bad[0]!r} is written {quote(bad[0])!r}"
    return None


def _changed(text: str) -> str | None:
    """Return what a gateway changes before it matches a path, so that a route with it would match nothing."""
    if "//" in text:
        return f"has two slashes in a row, which servers merge; write {re.sub('/+', '/', text)!r}"
    if re.search(r"%00", text):
        return "has %00, with which gateways refuse a request"
    for escape in re.findall(r"%[0-9A-Fa-f]{2}", text):
        if re.fullmatch(_UNRESERVED, unquote(escape)):
            return f"has {escape}, which gateways turn into {unquote(escape)!r} before they match; write that"
    if re.search(r"/\.{1,2}(/|$)", text):
        return "has a part . or .., which gateways resolve before they match; write the path that it leads to"
    return None
