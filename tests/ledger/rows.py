"""Records to test with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from omniroute.ledger.record import AttemptRecord, RequestRecord

NOON = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)

_ROW = RequestRecord(
    request_id="req-1",
    time=NOON,
    path="/v1/chat/completions",
    client_format="openai-chat",
    status=200,
    total_ms=812.5,
    config_digest="3f2a9c",
    key="ci",
    tags={"team": "platform"},
    requested_model="smart",
    provider="openai",
    connection="main",
    upstream_model="gpt-5",
    input_uncached=1000,
    cache_read=200,
    cache_write=0,
    output=300,
    reasoning=100,
    cost_nanousd=4_275_000,
    price_source="catalog",
    first_byte_ms=120.0,
    upstream_ms=800.0,
    overhead_ms=1.5,
    attempts=(
        AttemptRecord(
            n=1,
            provider="openai",
            connection="main",
            model="gpt-5",
            started=NOON,
            total_ms=800.0,
            first_byte_ms=118.0,
            status=200,
        ),
    ),
)


def row(request_id: str = "req-1", **changes: Any) -> RequestRecord:
    """A plain answered request, with what a test wants to be different."""
    return msgspec.structs.replace(_ROW, request_id=request_id, **changes)
