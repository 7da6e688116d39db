"""What clients choose, in large: does the process keep it?"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.abuse.attack import MB, SIGNED, Verdict, address_of, ask, chat, request_bytes, usage_of
from tests.abuse.shapes import CHAT
from tests.running import Served

MOST_BYTES: Final = 48 << 20
"""By which one attack may make the process grow: a parser's arenas come back for the next one."""
LONGEST_HEADER: Final = 4096
Press = Callable[[Served, int], int]
"""Presses so many times on the gateway; the most bytes that it held meanwhile, where it looked."""


def _models(gateway: Served, count: int) -> int:
    for number in range(count):
        ask(gateway, CHAT, chat(model=f"echo/{number}" + "m" * 10 * MB))
    return 0


def _undeclared(gateway: Served, count: int) -> int:
    """As long as a name may be."""
    for number in range(count * 50):
        ask(gateway, CHAT, chat(model=f"echo/{number}-" + "m" * 1000))
    return 0


def _sessions(gateway: Served, count: int) -> int:
    for number in range(count):
        ask(gateway, CHAT, chat(user=f"{number}" + "u" * 5 * MB))
    return 0


def _fields(gateway: Served, count: int) -> int:
    """Names of fields that another format drops."""
    for number in range(count):
        body = {"model": "echo", "input": "hi", "store": False, f"{number}" + "f" * 5 * MB: 1}
        answer = ask(gateway, "/v1/responses", body)
        longest = max(map(len, answer.headers.values()))
        assert longest < LONGEST_HEADER, f"a header of {longest} characters"
    return 0


def _paths(gateway: Served, count: int) -> int:
    for number in range(count * 20):
        ask(gateway, f"/v1beta/models/{number}{'m' * 12_000}:generateContent", {})
    return 0


def _heads(gateway: Served, count: int) -> int:
    """Every value that a head may name something with."""
    names = ("x-session-id", "idempotency-key", "x-forwarded-for", "origin", "content-encoding")
    for number in range(count * 20):
        for name in names:
            ask(gateway, CHAT, chat(), {**SIGNED, name: f"{number}{'h' * 12_000}"})
    return 0


def _repeats(gateway: Served, count: int) -> int:
    """Answers that are kept for who asks again."""
    said = [{"role": "user", "content": "w" * 3 * MB}]
    for number in range(count * 3):
        ask(gateway, CHAT, chat(messages=said), {**SIGNED, "x-request-id": f"repeat-{number}"})
    return 0


def _strangers(gateway: Served, count: int) -> int:
    """Bodies of callers who have no key: they are not read."""
    head = request_bytes(CHAT, b"", {}).replace(b"length: 0", b"length: %d" % (30 * MB))
    with contextlib.ExitStack() as stack:
        for _ in range(count * 3):
            sock = socket.create_connection(address_of(gateway), timeout=5)
            stack.enter_context(sock)
            with contextlib.suppress(OSError):  # it may answer, and close, at any time
                sock.sendall(head + bytes(10 * MB))
        return usage_of(gateway).rss_bytes


ATTACKS: Final[Mapping[str, tuple[Press, int]]] = {
    "model names of 10 MB": (_models, MOST_BYTES),
    "model names that nobody declared": (_undeclared, MOST_BYTES),
    "session names of 5 MB": (_sessions, MOST_BYTES),
    "field names of 5 MB": (_fields, MOST_BYTES),
    "model names in paths": (_paths, MOST_BYTES),
    "values of heads": (_heads, MOST_BYTES),
    "answers kept for repeats": (_repeats, MOST_BYTES + (64 << 20)),
    "bodies without a key": (_strangers, MOST_BYTES),
}


def attack(gateway: Served, folder: Path, *, short: bool = False) -> Iterator[Verdict]:
    count = 1 if short else 12
    for name, (press, most_bytes) in ATTACKS.items():
        press(gateway, max(count // 3, 1))  # what a first time costs is not what is kept
        before = usage_of(gateway).rss_bytes
        broke = None
        try:
            highest = press(gateway, count)
        except AssertionError as error:
            broke, highest = str(error), 0
        grown = max(highest, usage_of(gateway).rss_bytes) - before
        yield Verdict(
            name=f"memory: {name}",
            held=broke is None and grown < most_bytes,
            figure=broke or f"{grown / MB:+.1f} MB held",
        )
