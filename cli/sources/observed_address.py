"""The public address of this machine, which is compared with the authorized networks.

Google's own name server answers a query for the TXT record of `NAME` with the client's address. Google sees this
machine's address at every call of a deploy anyway, so no other company learns it, and no token is involved.

`MESH_OBSERVED_ADDRESS` gives the address instead, without a query.
"""

import os
import secrets
import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any

VARIABLE = "MESH_OBSERVED_ADDRESS"
NAME, SERVER, PORT = "o-o.myaddr.l.google.com", "ns1.google.com", 53
SECONDS = 2.0
"""Timeout of a query, which may get lost and is sent twice."""

PROXIES = ("HTTPS_PROXY", "https_proxy")
TXT, IN = 16, 1
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_AVAILABLE, ERROR = 0x8000, 0x0400, 0x0200, 0x0080, 0x000F
"""Bits of a DNS message's flags (RFC 1035, 4.1.1)."""


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
            raise NotObservedError(f"{VARIABLE} is no IPv4 address: {given!r}") from error
    if proxy := next((name for name in PROXIES if variables.get(name)), None):
        raise NotObservedError(f"{proxy} is set, and control planes see the proxy's address")
    return query((SERVER, PORT))


def query(server: tuple[str, int], seconds: float = SECONDS) -> IPv4Address:
    """Return the address as a name server sees it.

    Args:
        server: Host and port of the name server.
        seconds: The timeout.

    Raises:
        NotObservedError: It is not known.
    """
    number = secrets.randbelow(1 << 16)
    try:
        host = _resolve(server, seconds)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(seconds)
            client.connect(host)
            return address_in(_exchange(client, query_message(number)), number)
    except (OSError, struct.error, IndexError) as error:
        raise NotObservedError(f"{server[0]} gives no answer: {error}") from error


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
        raise OSError("its name is not known here")
    return found[0]


def _exchange(client: socket.socket, message: bytes) -> bytes:
    """Send a query, twice if need be, and return the response.

    Raises:
        OSError: There is none.
    """
    for _ in range(2):
        client.send(message)
        try:
            return client.recv(512)
        except TimeoutError:
            continue
    raise TimeoutError("timed out")


def query_message(number: int) -> bytes:
    """Return the message that queries the TXT record (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, TXT, IN)


def address_in(message: bytes, number: int) -> IPv4Address:
    """Return the address in a response.

    Networks that intercept DNS queries would give the address of their own resolver:
    only the name server itself is authoritative, and offers no recursion.

    Args:
        message: The response.
        number: The number of the query.

    Raises:
        NotObservedError: It has none, or is another server's.
        struct.error: It is truncated.
        IndexError: It is truncated.
    """
    found, flags, questions, answers = struct.unpack_from("!4H", message)
    if found != number or not flags & RESPONSE or flags & (ERROR | TRUNCATED):
        raise NotObservedError(f"{SERVER} gives no answer that is of use")
    if not flags & AUTHORITATIVE or flags & RECURSION_AVAILABLE:
        raise NotObservedError(f"somebody else answers for {SERVER} in this network")
    at = 12
    for _ in range(questions):
        at = _after_name(message, at) + 4
    for _ in range(answers):
        at = _after_name(message, at)
        kind, _, _, length = struct.unpack_from("!HHIH", message, at)
        at += 10
        if kind == TXT:
            text = message[at + 1 : at + 1 + message[at]].decode("ascii", "replace")
            try:
                return IPv4Address(text)
            except ValueError:
                pass  # another text, such as the client's subnet
        at += length
    raise NotObservedError(f"{SERVER} tells no address")


def _after_name(message: bytes, at: int) -> int:
    """Return the end of a name (RFC 1035, 4.1.4)."""
    while True:
        length = message[at]
        if length >= 0xC0:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
