"""The address from which Google sees this machine."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from socketserver import BaseRequestHandler, UDPServer

import pytest

from cli.sources import observed_address
from tests.cli.loopback_server import serving

Answer = Callable[[bytes], bytes | None]


def reply(question: bytes, *records: tuple[int, bytes], flags: int = 0x8400) -> bytes:
    """Return a name server's answer, authoritative by default."""
    head = question[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for kind, data in records)
    return head + question[12:] + body


def text_record(text: str) -> tuple[int, bytes]:
    return 16, bytes([len(text)]) + text.encode()


def answer_with(text: str = "203.0.113.9", flags: int = 0x8400) -> Answer:
    return lambda question: reply(question, text_record(text), flags=flags)


@contextmanager
def name_server(answer: Answer) -> Iterator[tuple[str, int]]:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            question, connection = self.request
            if (found := answer(question)) is not None:
                connection.sendto(found, self.client_address)

    server = UDPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield server.socket.getsockname()


def test_googles_name_server_tells_who_asks() -> None:
    asked: list[bytes] = []

    def answer(question: bytes) -> bytes:
        asked.append(question)
        subnet = text_record("edns0-client-subnet 203.0.113.0/24")
        return reply(question, (5, b"\0"), subnet, text_record("203.0.113.9"))

    with name_server(answer) as server:
        assert observed_address.query(server) == IPv4Address("203.0.113.9")
    [question] = asked
    assert question[2:] == bytes.fromhex("00000001000000000000") + (
        b"\x03o-o\x06myaddr\x01l\x06google\x03com\x00" + bytes.fromhex("00100001")
    )


def test_a_question_that_gets_lost_is_asked_again() -> None:
    lost = iter([True])
    with name_server(lambda question: None if next(lost, False) else answer_with()(question)) as server:
        assert observed_address.query(server, seconds=0.3) == IPv4Address("203.0.113.9")


def cut_off(rest: bytes) -> Answer:
    return lambda question: question[:2] + b"\x84\0\0\1\0\1" + rest


SOMEBODY_ELSE, NO_ANSWER = "this network intercepts queries", "no response|NXDOMAIN"
UNUSABLE: dict[str, tuple[Answer, str]] = {
    "not authoritative": (answer_with(flags=0x8000), SOMEBODY_ELSE),
    "not authoritative, recursive": (answer_with(flags=0x8080), SOMEBODY_ELSE),
    "recursive": (answer_with(flags=0x8480), SOMEBODY_ELSE),
    "error": (answer_with(flags=0x8403), NO_ANSWER),
    "truncated": (answer_with(flags=0x8600), NO_ANSWER),
    "no answer but a question": (answer_with(flags=0x0400), NO_ANSWER),
    "IPv6": (answer_with("2001:db8::1"), "has no address"),
    "cut off at once": (cut_off(b""), "."),
    "cut off in a number": (cut_off(b"\0\1"), "."),
    "cut off in the text": (cut_off(b"cut in the middle of it"), "."),
    "to another question": (
        lambda asked: reply(bytes([asked[0] ^ 1]) + asked[1:], text_record("203.0.113.9")),
        NO_ANSWER,
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_answers_that_are_not_taken(case: str) -> None:
    answer, reason = UNUSABLE[case]
    with name_server(answer) as server, pytest.raises(observed_address.NotObservedError, match=reason):
        observed_address.query(server)


def test_nobody_answers() -> None:
    timed_out = pytest.raises(observed_address.NotObservedError, match=r"no response from .*timed out")
    with name_server(lambda _: None) as server, timed_out:
        observed_address.query(server, seconds=0.1)


def test_a_name_that_nobody_resolves_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()

    def hung(*_: object) -> None:
        hang.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hung)
    start = time.monotonic()
    try:
        with pytest.raises(observed_address.NotObservedError, match="its name can't be resolved"):
            observed_address.query(("ns1.google.com", 53), seconds=0.1)
    finally:
        hang.set()
    assert time.monotonic() - start < 10
