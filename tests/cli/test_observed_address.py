"""The address from which Google sees this machine."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from cli.sources import observed_address


def reply(question: bytes, *records: tuple[int, bytes], flags: int = 0x8400) -> bytes:
    """Return a name server's answer, authoritative if not told otherwise."""
    head = question[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for kind, data in records)
    return head + question[12:] + body


def text_record(text: str) -> tuple[int, bytes]:
    return 16, bytes([len(text)]) + text.encode()


@contextmanager
def name_server(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, int]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, caller = server.recvfrom(512)
                if not question:
                    return
                found = answer(question)
                if found is not None:
                    server.sendto(found, caller)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = server.getsockname()
        yield address
        server.sendto(b"", address)
        thread.join(5)


def test_googles_name_server_tells_who_asks() -> None:
    asked: list[bytes] = []

    def answer(question: bytes) -> bytes:
        asked.append(question)
        return reply(
            question, (5, b"\0"), text_record("edns0-client-subnet 203.0.113.0/24"), text_record("203.0.113.9")
        )

    with name_server(answer) as server:
        assert observed_address.query(server) == IPv4Address("203.0.113.9")
    assert len(asked) == 1
    assert asked[0][2:] == bytes.fromhex("00000001000000000000") + (
        b"\x03o-o\x06myaddr\x01l\x06google\x03com\x00" + bytes.fromhex("00100001")
    )


def test_a_question_that_gets_lost_is_asked_again() -> None:
    dropped: list[bytes] = []

    def answer(question: bytes) -> bytes | None:
        if not dropped:
            dropped.append(question)
            return None
        return reply(question, text_record("203.0.113.9"))

    with name_server(answer) as server:
        assert observed_address.query(server, seconds=0.3) == IPv4Address("203.0.113.9")


@pytest.mark.parametrize(
    ("flags", "text", "reason"),
    [
        (0x8000, "203.0.113.9", "somebody else answers"),
        (0x8080, "203.0.113.9", "somebody else answers"),
        (0x8480, "203.0.113.9", "somebody else answers"),
        (0x8403, "203.0.113.9", "no answer that is of use"),
        (0x8600, "203.0.113.9", "no answer that is of use"),
        (0x0400, "203.0.113.9", "no answer that is of use"),
        (0x8400, "2001:db8::1", "tells no address"),
    ],
)
def test_answers_that_are_not_taken(flags: int, text: str, reason: str) -> None:
    with (
        name_server(lambda question: reply(question, text_record(text), flags=flags)) as server,
        pytest.raises(observed_address.NotObservedError, match=reason),
    ):
        observed_address.query(server)


@pytest.mark.parametrize("answer", [b"", b"\0\1", b"cut in the middle of it"])
def test_answers_that_are_none(answer: bytes) -> None:
    with (
        name_server(lambda question: question[:2] + b"\x84\0\0\1\0\1" + answer) as server,
        pytest.raises(observed_address.NotObservedError),
    ):
        observed_address.query(server)


def test_an_answer_to_another_question_is_not_taken() -> None:
    def answer(question: bytes) -> bytes:
        other = bytes([question[0] ^ 1]) + question[1:]
        return reply(other, text_record("203.0.113.9"))

    with (
        name_server(answer) as server,
        pytest.raises(observed_address.NotObservedError, match="no answer that is of use"),
    ):
        observed_address.query(server)


def test_nobody_answers() -> None:
    with (
        name_server(lambda question: None) as server,
        pytest.raises(observed_address.NotObservedError, match="gives no answer: timed out"),
    ):
        observed_address.query(server, seconds=0.1)


def test_a_name_that_nobody_resolves_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()

    def hung(*_: object) -> None:
        hang.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hung)
    start = time.monotonic()
    try:
        with pytest.raises(observed_address.NotObservedError, match="its name is not known here"):
            observed_address.query(("ns1.google.com", 53), seconds=0.1)
    finally:
        hang.set()
    assert time.monotonic() - start < 10
