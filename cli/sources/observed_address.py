"""The address from which this machine is seen on the internet: what authorized networks are compared with.

It can only be learned from somebody outside. Google's own name server tells whoever asks it
for the TXT record of `NAME` the address that asked. It is asked, and no web service of
another company: Google sees this machine's address at every call of a deploy anyway, so
nobody learns anything new, and no account or token is involved.

`MESH_OBSERVED_ADDRESS` gives the address instead; then nobody is asked.
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
"""For an answer; a question may get lost, and is asked once more."""

PROXIES = ("HTTPS_PROXY", "https_proxy")
TXT, IN = 16, 1
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_AVAILABLE, ERROR = 0x8000, 0x0400, 0x0200, 0x0080, 0x000F
"""Bits of a DNS message's flags (RFC 1035, 4.1.1)."""


class NotObservedError(Exception):
    """It could not be found out. Its text says why."""


def observed(variables: Mapping[str, str] = os.environ) -> IPv4Address:
    """Return the address.

    Raises:
        NotObservedError: it can't be done.
    """
    if given := variables.get(VARIABLE):
        try:
            return IPv4Address(given)
        except ValueError as error:
            raise NotObservedError(f"{VARIABLE} is no IPv4 address: {given!r}") from error
    if proxy := next((name for name in PROXIES if variables.get(name)), None):
        raise NotObservedError(f"{proxy} is set, and control planes see the proxy's address")
    return ask((SERVER, PORT))


def ask(server: tuple[str, int], seconds: float = SECONDS) -> IPv4Address:
    """Return the address as a name server sees it.

    Raises:
        NotObservedError: it can't be done.
    """
    number = secrets.randbelow(1 << 16)
    try:
        host = _resolved(server, seconds)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(seconds)
            asking.connect(host)
            return address_in(_exchange(asking, question(number)), number)
    except (OSError, struct.error, IndexError) as error:
        raise NotObservedError(f"{server[0]} gives no answer: {error}") from error


def _resolved(server: tuple[str, int], seconds: float) -> Any:
    """Return a server's address; where no name server answers, the system would wait longer than anybody wants.

    Raises:
        OSError: its name is not known.
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


def _exchange(asking: socket.socket, message: bytes) -> bytes:
    """Raises:
    OSError: it can't be done.
    """
    for _ in range(2):
        asking.send(message)
        try:
            return asking.recv(512)
        except TimeoutError:
            continue
    raise TimeoutError("timed out")


def question(number: int) -> bytes:
    """Return the message that asks for the TXT record (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, TXT, IN)


def address_in(answer: bytes, number: int) -> IPv4Address:
    """Return the address in an answer.

    Networks that answer DNS questions in the place of others would give the address of
    their own resolver: only the name server itself is authoritative, and offers no recursion.

    Raises:
        NotObservedError: it has none, or somebody else has answered.
        struct.error, IndexError: it is cut.
    """
    found, flags, questions, answers = struct.unpack_from("!4H", answer)
    if found != number or not flags & RESPONSE or flags & (ERROR | TRUNCATED):
        raise NotObservedError(f"{SERVER} gives no answer that is of use")
    if not flags & AUTHORITATIVE or flags & RECURSION_AVAILABLE:
        raise NotObservedError(f"somebody else answers for {SERVER} in this network")
    at = 12
    for _ in range(questions):
        at = _after_name(answer, at) + 4
    for _ in range(answers):
        at = _after_name(answer, at)
        kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10
        if kind == TXT:
            text = answer[at + 1 : at + 1 + answer[at]].decode("ascii", "replace")
            try:
                return IPv4Address(text)
            except ValueError:
                pass  # what else there may be, such as the client's subnet
        at += length
    raise NotObservedError(f"{SERVER} tells no address")


def _after_name(message: bytes, at: int) -> int:
    """Return where a name ends that begins at a place (RFC 1035, 4.1.4)."""
    while True:
        length = message[at]
        if length >= 0xC0:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
