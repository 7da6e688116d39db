"""What a server has done to its ledger's file, and how it went: what the asking process (`writer`)
and the one that has DuckDB (`scribe`) tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from omniroute.ledger.process import ReplyHead


class DrainOrder(Struct, frozen=True, tag="drain"):
    """One batch of the spool into the database."""


class CreateOrder(Struct, frozen=True, tag="create"):
    """An empty database where there is none."""


class ExpireOrder(Struct, frozen=True, tag="expire"):
    """Delete one batch of the rows from before an instant."""

    before: datetime


class SpendOrder(Struct, frozen=True, tag="spend"):
    """What was spent since an instant; the answer's bytes are a JSON array of `SpentRow`."""

    since: datetime


Order = DrainOrder | CreateOrder | ExpireOrder | SpendOrder


class DrainResult(Struct, frozen=True, kw_only=True):
    """What one drain did.

    `idle`: nothing was waiting. `busy`: another drain is running, or the file is open elsewhere;
    the spool keeps what it holds.
    """

    outcome: Literal["done", "idle", "busy"]
    rows: int = 0
    quarantined: int = 0
    """Lines that did not become rows."""
    segments_deleted: int = 0
    held_s: float = 0.0
    """How long the database file was open."""
    more: bool = False
    """Another batch is waiting."""
    offsets: Mapping[str, int] = {}
    """How far each segment is in the database, in bytes; empty where nothing was done."""


class SpentRow(Struct, frozen=True, kw_only=True):
    """One answered request that had a price."""

    at: datetime
    key: str | None
    tags: dict[str, str]
    provider: str
    model: str
    cost_nanousd: int


class Said(Struct, frozen=True):
    """A line for the server's log."""

    level: int
    text: str


class ScribeHead(ReplyHead, frozen=True, kw_only=True):
    """How an order went; `failure` tells why nothing came of it."""

    drained: DrainResult | None = None
    expired: int = 0
    said: tuple[Said, ...] = ()
    failure: str | None = None
    busy: bool = False
    """It failed because somebody else has the file open."""
