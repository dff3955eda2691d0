"""Origins of web pages, as browsers send them in the header `Origin`.

Source: https://www.rfc-editor.org/rfc/rfc6454#section-6.2
"""

import re

from config.grammar import domain

PATTERN = rf"(\*|https?://{domain.HOST_PATTERN})"

_DEFAULT_PORTS = {"http": "80", "https": "443"}


def problem(text: str) -> str | None:
    """Return what is wrong with an origin, or None."""
    if text == "*":
        return None
    if not text.strip():
        return "is empty; name an origin such as https://www.example.com, or *"
    parts = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", text)
    if parts is None:
        return f"must be an origin with its scheme; write {f'https://{text.lower()}'!r}"
    scheme, host = parts[1], parts[2]
    if scheme not in _DEFAULT_PORTS:
        return "must be an origin that starts with http:// or https://"
    if "/" in host:
        alone = host.partition("/")[0]
        return f"must be an origin without a path; write {f'{scheme}://{alone}'!r}"
    if "*" in host:
        return "must be a whole origin: they are compared as a whole; list each one, or write '*' for all"
    name, _, port = host.partition(":")
    if port == _DEFAULT_PORTS[scheme]:
        return f"must be an origin as browsers send it, without the default port; write {f'{scheme}://{name}'!r}"
    return domain.host_problem(host)
