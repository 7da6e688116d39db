"""Bodies that once stopped the loop for seconds: how long does another client wait?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
from msgspec import Struct

from tests.abuse.attack import Bystander, Verdict, ask, chat
from tests.abuse.shapes import CHAT, SHAPES
from tests.running import Served

LONGEST_S: Final = 0.1
TRIES: Final = 4
"""The machine has other things to do, too: one try without a long wait shows that none is due."""
LINE: Final = "hello you,\n"


class Press(Struct, frozen=True):
    path: str
    body: Callable[[int], bytes]
    """Made of how much of it there shall be."""
    many: int
    few: int
    """For the short form."""


def _shape(name: str, many: int, few: int) -> Press:
    shape = SHAPES[name]

    def body(count: int) -> bytes:
        return orjson.dumps(shape.body(count) | {"model": "echo"})

    return Press(shape.path.replace("{model}", "echo"), body, many, few)


def _chat(many: int, few: int, make: Callable[[int], dict[str, Any]]) -> Press:
    return Press(CHAT, lambda count: orjson.dumps(chat(**make(count))), many, few)


PRESSES: Final[Mapping[str, Press]] = {
    **{name: _shape(name, 9_000, 1_000) for name in SHAPES},
    "100,000 unknown fields": _shape("unknown fields", 100_000, 20_000),
    "300,000 messages of one role": _shape("messages of one role", 300_000, 40_000),
    "a model's name of 30 MB": _chat(30_000_000, 1_000_000, lambda n: {"model": "m" * n}),
    "a text of 25 MB": _chat(
        25_000_000 // len(LINE),
        1_000_000 // len(LINE),
        lambda n: {"messages": [{"role": "user", "content": LINE * n}]},
    ),
    "ten million lists": Press(
        CHAT,
        lambda n: b'{"model":"echo","x":[' + b"[]," * n + b"[]]}",
        10_000_000,
        300_000,
    ),
    "thirty million levels": Press(CHAT, lambda n: b'{"x":' + b"[" * n, 30_000_000, 1_000_000),
    "as many values as may be": _chat(
        100_000, 10_000, lambda n: {"metadata": {f"k{i}": {"v": i} for i in range(n)}}
    ),
}


def attack(gateway: Served, folder: Path, *, short: bool = False) -> Iterator[Verdict]:
    for name, press in islice(PRESSES.items(), 3 if short else None):
        body = press.body(press.few if short else press.many)
        waits: list[float] = []
        broke: str | None = None
        while broke is None and (not waits or (min(waits) > LONGEST_S and len(waits) < TRIES)):
            with Bystander(gateway) as other:
                status = ask(gateway, press.path, body).status
            waits.append(other.longest_s)
            if status not in (200, 400):
                broke = f"answered {status}"
            elif other.failed:
                broke = f"{other.failed} requests of another client failed"
        figure = broke or f"another client waited {min(waits) * 1000:.0f} ms at most"
        yield Verdict(
            name=f"quadratic: {name}, {len(body) / 1e6:.1f} MB",
            held=broke is None and min(waits) <= LONGEST_S,
            figure=figure,
        )
