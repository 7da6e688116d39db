"""Malformed, slow and broken-off requests: answered or let go, always within a bound."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from omniroute.http.edge.insides import SILENCE_S
from tests.abuse.attack import (
    MB,
    SIGNED,
    Verdict,
    address_of,
    ask,
    chat,
    descriptors_return,
    exchange,
    request_bytes,
)
from tests.abuse.shapes import CHAT
from tests.http.edge.test_parser import CASES
from tests.running import Served

SLOWEST_S: Final = 5.0
WHOLE: Final = request_bytes(CHAT, chat())
OK: Final = b"HTTP/1.1 200"
MALFORMED: Final = [case for case in CASES if case.refused is not None]
LONG_ANSWER: Final = chat(stream=True, messages=[{"role": "user", "content": "word " * 20_000}])


def _malformed(gateway: Served) -> str | None:
    host = "Host: a\r\n"
    signed = "".join([host, *(f"{name}: {value}\r\n" for name, value in SIGNED.items())])
    for case in MALFORMED:
        sent = case.sent.replace("/x ", f"{CHAT} ").replace(host, signed, 1)
        answer = exchange(gateway, sent.encode())
        if not answer.startswith(f"HTTP/1.1 {case.refused}".encode()):
            return f"{case.name}: {answer[:40]!r}"
        if answer.count(b"HTTP/1.1 ") != 1:
            return f"{case.name}: answered twice"
    return None


def _one_byte_at_a_time(gateway: Served) -> str | None:
    return _unless_ok(exchange(gateway, *(WHOLE[at : at + 1] for at in range(len(WHOLE)))))


def _half_close(gateway: Served) -> str | None:
    """A client that will say no more still reads."""
    return _unless_ok(exchange(gateway, WHOLE, half_close=True))


def _unless_ok(answer: bytes) -> str | None:
    return None if answer.startswith(OK) else f"answered {answer[:40]!r}"


def _half_close_within_the_body(gateway: Served) -> str | None:
    answer = exchange(gateway, WHOLE[:-5], half_close=True)
    return "took half a request for a whole one" if answer.startswith(OK) else None


def _leave_within_the_body(gateway: Served) -> str | None:
    with descriptors_return(gateway) as more:
        for _ in range(50):
            with socket.create_connection(address_of(gateway), timeout=SLOWEST_S) as sock:
                sock.sendall(WHOLE[:-5])
    return _unless_back(more)


def _leave_within_the_answer(gateway: Served) -> str | None:
    with descriptors_return(gateway) as more:
        for _ in range(10):
            with socket.create_connection(address_of(gateway), timeout=SLOWEST_S) as sock:
                sock.sendall(request_bytes(CHAT, LONG_ANSWER))
                sock.recv(100)
    return _unless_back(more)


def _unless_back(more: list[int]) -> str | None:
    return None if more == [0] else f"{more[0]} descriptors stay open"


def _noise(gateway: Served) -> str | None:
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 5000, b"GET", b"\r\n\r\n", b"\xff"):
        exchange(gateway, noise, half_close=True)
    return None


def _too_large(gateway: Served) -> str | None:
    """The answer can be read though the body was never read to its end."""
    head = request_bytes(CHAT, b"").replace(b"length: 0", b"length: %d" % (900 * MB))
    answer = exchange(gateway, head, *[bytes(MB)] * 20)
    return None if answer.startswith(b"HTTP/1.1 413") else f"answered {answer[:40]!r}"


def _strangers_go_on(gateway: Served) -> str | None:
    """Nobody without a key is told to send its body."""
    wait = {"expect": "100-continue", "authorization": "Bearer nobody"}
    answer = exchange(
        gateway, request_bytes(CHAT, chat(), wait).partition(b"\r\n\r\n")[0], b"\r\n\r\n"
    )
    return None if answer.startswith(b"HTTP/1.1 401") else f"answered {answer[:40]!r}"


def _silent(gateway: Served) -> str | None:
    """Clients who begin and say no more, or ask for much and read nothing."""
    within_s = SILENCE_S + SLOWEST_S
    with descriptors_return(gateway, within_s * 2) as more, contextlib.ExitStack() as open_ones:
        silent: list[socket.socket] = []
        for begun in (WHOLE[:20], WHOLE[:-5], request_bytes(CHAT, LONG_ANSWER)):
            for _ in range(5):
                sock = socket.create_connection(address_of(gateway), timeout=within_s)
                silent.append(open_ones.enter_context(sock))
                sock.sendall(begun)
        for sock in silent[:10]:
            with contextlib.suppress(ConnectionError):
                while sock.recv(65536):
                    continue
    return _unless_back(more)


Press = Callable[[Served], str | None]
"""Says what broke, or nothing."""
ATTACKS: Final[Mapping[str, Press]] = {
    f"{len(MALFORMED)} malformed heads and chunks": _malformed,
    "one byte at a time": _one_byte_at_a_time,
    "half closed behind the request": _half_close,
    "half closed within the body": _half_close_within_the_body,
    "gone within the body": _leave_within_the_body,
    "gone within the answer": _leave_within_the_answer,
    "no HTTP at all": _noise,
    "no key, and waiting to be told to go on": _strangers_go_on,
}
SLOW: Final[Mapping[str, Press]] = {
    "more than a body may have": _too_large,
    "silent, within head, body and answer": _silent,
}
"""They wait for bounds that are there for slow networks; not in the short form."""


def attack(gateway: Served, folder: Path, *, short: bool = False) -> Iterator[Verdict]:
    for name, press in ATTACKS.items():
        yield _pressed(gateway, name, press, SLOWEST_S)
    if not short:
        for name, press in SLOW.items():
            yield _pressed(gateway, name, press, SILENCE_S * 2 + SLOWEST_S)


def _pressed(gateway: Served, name: str, press: Press, slowest_s: float) -> Verdict:
    began_s = time.monotonic()
    try:
        broke = press(gateway)
    except TimeoutError:
        broke = "it was neither answered nor let go"
    took_s = time.monotonic() - began_s
    if broke is None and took_s > slowest_s:
        broke = f"let go after {took_s:.1f} s alone"
    if broke is None and ask(gateway, CHAT, chat()).status != 200:
        broke = "nobody is served any more"
    figure = broke or f"let go after {took_s:.2f} s"
    return Verdict(name=f"edge: {name}", held=broke is None, figure=figure)
