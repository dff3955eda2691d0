"""Names and values of HTTP headers that a gateway changes.

Sources: https://www.rfc-editor.org/rfc/rfc9110#section-5 for what a header is;
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers.html for what Envoy does with them.
"""

import re

NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"""A token of https://www.rfc-editor.org/rfc/rfc9110#section-5.1, which is what Envoy takes."""

VALUE = r"[!-$&-~]([ -$&-~\t]*[!-$&-~])?"

OWNED = {
    "host": "it selects the route",
    **dict.fromkeys(
        (
            "connection",
            "content-length",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ),
        "it belongs to one connection, and the proxies set it",
    ),
    "x-forwarded-client-cert": "proxies report the identity of the caller in it",
}
"""Headers that no route can change, and why."""

OWNED_PREFIXES = {"x-envoy-": "Envoy takes commands from it", "x-istio-": "the proxies exchange data in it"}


def name_problem(text: str) -> str | None:
    """Return what is wrong with the name of a header that a route changes, or None."""
    if not text.strip():
        return "is empty; name a header such as X-Team"
    if text.startswith(":"):
        return "is a pseudo-header, which proxies set; `rewrite` changes the path"
    if not re.fullmatch(NAME, text):
        return "must be the name of a header, such as X-Team: letters, digits, hyphens"
    if text == "*":
        return "is no name of a header, and stands for none; list each header"
    lower = text.lower()
    why = OWNED.get(lower) or next((why for start, why in OWNED_PREFIXES.items() if lower.startswith(start)), None)
    return f"can't be changed by a route: {why}" if why else None


def names_problem(text: str) -> str | None:
    """Return what is wrong with the name of a header, or ``*`` for all, which pages may send or read; or None."""
    return None if text == "*" else name_problem(text)


def value_problem(text: str) -> str | None:
    """Return what is wrong with the value of a header, or None."""
    if not text.strip():
        return "is empty; to remove the header, name it under remove"
    if text != text.strip():
        return "has a space at an end, which proxies remove"
    if "%" in text:
        return "has a %, from which Envoy reads a command such as %START_TIME%; leave it out"
    if not re.fullmatch(VALUE, text):
        return "must be printable ASCII on one line"
    return None
