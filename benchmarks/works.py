"""What is measured: kinds of requests, and who is asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SUBJECTS: Final = ("direct", "sanic", "nginx", "omniroute", "governed", "messages")
OURS: Final = ("omniroute", "governed", "messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of request, the same for all of its subjects."""

    id: str
    title: str
    stream: bool = False
    connections: int = 16
    prompt_bytes: int = 0
    """How long the question is, beside what every request says."""
    subjects: tuple[str, ...] = SUBJECTS


WORKS: Final = (
    Work(id="plain", title="One answer per request, 16 connections"),
    Work(id="stream", title="Streams, 16 connections", stream=True),
    Work(
        id="large",
        title="A question of 100 KiB, 16 connections",
        prompt_bytes=100 << 10,
        subjects=("direct", "sanic", "nginx", "omniroute", "messages"),
    ),
    *(
        Work(
            id=f"c{connections}",
            title=f"One answer per request, {connections} connection{'s' * (connections > 1)}",
            connections=connections,
            subjects=("direct", "sanic", "nginx", "omniroute"),
        )
        for connections in (1, 64, 256)
    ),
)
