"""The public address of this machine, which is compared with the authorized networks.

Google's own name server answers a query for the TXT record of `NAME` with the client's address. Google sees this
machine's address at every call of a deploy anyway, so no other company learns it, and no token is involved.

`MESH_OBSERVED_ADDRESS` gives the address instead, without a query.
"""

import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

VARIABLE = "MESH_OBSERVED_ADDRESS"
NAME, SERVER, PORT = "o-o.myaddr.l.google.com", "ns1.google.com", 53
SECONDS = 2.0
"""Timeout of a query, which may get lost and is sent twice."""

PROXIES = ("HTTPS_PROXY", "https_proxy")


class NotObservedError(Exception):
    """The address is not known; the text is the reason."""


def observed(variables: Mapping[str, str] = os.environ) -> IPv4Address:
    """Return the address.

    Raises:
        NotObservedError: It is not known.
    """
    if given := variables.get(VARIABLE):
        try:
            return IPv4Address(given)
        except ValueError as error:
            raise NotObservedError(f"{VARIABLE} is not an IPv4 address: {given!r}") from error
    if proxy := next((name for name in PROXIES if variables.get(name)), None):
        raise NotObservedError(f"{proxy} is set, and the control planes see the address of the proxy")
    return query((SERVER, PORT))


def query(server: tuple[str, int], seconds: float = SECONDS) -> IPv4Address:
    """Return the address as a name server sees it.

    Args:
        server: Host and port of the name server.
        seconds: The timeout.

    Raises:
        NotObservedError: It is not known.
    """
    message = dns.message.make_query(NAME, dns.rdatatype.TXT, flags=0)
    try:
        host, port = _resolve(server, seconds)
        try:
            response = dns.query.udp(message, host, seconds, port, raise_on_truncation=True)
        except dns.exception.Timeout:
            response = dns.query.udp(message, host, seconds, port, raise_on_truncation=True)
    except (OSError, dns.exception.DNSException) as error:
        raise NotObservedError(f"no response from {server[0]}: {error}") from error
    return address_in(response)


def _resolve(server: tuple[str, int], seconds: float) -> Any:
    """Return a server's address, with a timeout: the system's own is long where no name server answers.

    Raises:
        OSError: Its name is not known.
    """
    found: list[Any] = []

    def resolve() -> None:
        with suppress(OSError):
            found.append(socket.getaddrinfo(*server, socket.AF_INET, socket.SOCK_DGRAM)[0][4])

    resolving = threading.Thread(target=resolve, daemon=True)
    resolving.start()
    resolving.join(seconds)
    if not found:
        raise OSError("its name can't be resolved")
    return found[0]


def address_in(response: dns.message.Message) -> IPv4Address:
    """Return the address in a response.

    Networks that intercept DNS queries would give the address of their own resolver:
    only the name server itself is authoritative, and offers no recursion.

    Args:
        response: The response.

    Raises:
        NotObservedError: It has none, or is another server's.
    """
    if response.rcode() != dns.rcode.NOERROR:
        raise NotObservedError(f"{SERVER} returns {dns.rcode.to_text(response.rcode())}")
    if not response.flags & dns.flags.AA or response.flags & dns.flags.RA:
        raise NotObservedError(f"this network intercepts queries to {SERVER}")
    for record in (one for answer in response.answer if answer.rdtype == dns.rdatatype.TXT for one in answer):
        # Others hold another text, such as the client's subnet.
        with suppress(ValueError):
            return IPv4Address(b"".join(record.strings).decode("ascii", "replace"))
    raise NotObservedError(f"the response of {SERVER} has no address")
