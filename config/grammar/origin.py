"""Origins of web pages, as browsers send them in the header `Origin`.

Sources: https://www.rfc-editor.org/rfc/rfc6454#section-6.2, https://url.spec.whatwg.org/#origin, and
https://capacitorjs.com/docs/config for an app whose pages have a scheme of its own.
"""

import re
from ipaddress import AddressValueError, IPv6Address

from config.grammar import domain

PATTERN = rf"(\*|https?://({domain.HOST_PATTERN}|\[[0-9a-f:]+\](:[0-9]{{1,5}})?)|[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+)"

_DEFAULT_PORTS = {"http": "80", "https": "443"}

_WITHOUT_ORIGIN = frozenset({"about", "blob", "data", "file", "ftp", "javascript", "mailto", "ws", "wss"})
"""Schemes of URLs whose pages have no origin with that scheme, or that are of no page."""


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
    if scheme != scheme.lower():
        return f"must be an origin as browsers send it; write {f'{scheme.lower()}://{host}'!r}"
    if scheme in _WITHOUT_ORIGIN:
        return f"must be the origin of a page, such as https://www.example.com; no page has one with {scheme}://"
    if "/" in host:
        alone = host.partition("/")[0]
        return f"must be an origin without a path; write {f'{scheme}://{alone}'!r}"
    if "*" in host:
        return "must be a whole origin: they are compared as a whole; list each one, or write '*' for all"
    if scheme not in _DEFAULT_PORTS:
        is_host = re.fullmatch(r"[A-Za-z0-9.-]+", host)
        return None if is_host else "must be an origin such as capacitor://localhost, with a host after the scheme"
    if host.startswith("["):
        return _address_problem(scheme, host)
    name, _, port = host.partition(":")
    if port == _DEFAULT_PORTS[scheme]:
        return f"must be an origin as browsers send it, without the default port; write {f'{scheme}://{name}'!r}"
    return domain.host_problem(host)


def _address_problem(scheme: str, host: str) -> str | None:
    """Return what is wrong with the address of IPv6 of an origin, which browsers write in one way only."""
    address, _, port = host[1:].partition("]")
    try:
        sent = f"{scheme}://[{IPv6Address(address)}]"
    except AddressValueError:
        return f"must be an origin; {address!r} is no address of IPv6"
    if port == f":{_DEFAULT_PORTS[scheme]}":
        return f"must be an origin as browsers send it, without the default port; write {sent!r}"
    if port and not (re.fullmatch(r":[0-9]{1,5}", port) and 1 <= int(port[1:]) <= 65535):
        return f"must be an origin; {port!r} is not a colon and a valid port"
    if f"{scheme}://[{address}]" != sent:
        return f"must be an origin as browsers send it; write {sent + port!r}"
    return None
