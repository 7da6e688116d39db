"""What happened to the gateway itself, and its form as one line of the spool.

    {"event": {"time": …, "kind": "breaker.open", "subject": "lab/main/m", "detail": …}}

A line that is no event is a request's record.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from omniroute.ledger.record import cut

KINDS: Final = (
    "breaker.open",
    "breaker.half_open",
    "breaker.closed",
    "credential.refused",
    "credential.accepted",
    "credential.replaced",
    "config.applied",
    "config.refused",
    "budget.warning",
    "ledger.quarantined",
)
"""Every kind there is; a newer version may have written more."""


class EventRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of state. Holds no credential: `detail` is what the log says."""

    time: datetime
    kind: str
    subject: str
    """What changed: `provider/connection/model`, a budget's id, files of the configuration."""
    detail: str
    config_digest: str | None = None
    """What is served from then on; None where nobody knows."""
    worker: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    """The number of the worker that saw it; each has breakers of its own."""


class _Line(Struct, frozen=True):
    event: EventRecord


_BEGINS: Final = b'{"event":'
_decode = msgspec.json.Decoder(_Line).decode


def is_event(line: bytes) -> bool:
    """Whether a line of the spool would be an event."""
    return line.startswith(_BEGINS)


def render_event(event: EventRecord) -> bytes:
    """The event as one line with its newline, its texts bounded."""
    event = msgspec.structs.replace(
        event,
        time=event.time.astimezone(UTC),
        subject=_clean(event.subject),
        detail=_clean(event.detail),
    )
    return msgspec.json.encode(_Line(event)) + b"\n"


def parse_event(line: bytes) -> EventRecord:
    """The event of a line without its newline; ValueError when it is none."""
    try:
        return _decode(line).event
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _clean(text: str) -> str:
    """Bounded, and without the lone surrogates that no UTF-8 has."""
    return cut(text).encode("utf-8", "replace").decode()
