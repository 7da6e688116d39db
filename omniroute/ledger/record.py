"""One row per request, its attempts inside, and its form as one line of JSON.

Everything is known when the answer ends. None means unknown, never zero: a provider that reports no
usage, a model without a price. Nothing here holds a prompt, a reply or a credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from omniroute.errors import Kind

MAX_TEXT_CHARS: Final = 1000  # a client may send a megabyte as its model name; a row stays small
MAX_ITEMS: Final = 50  # attempts, tags, dropped fields: as for the text

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""What a column holds: a line with more is no record."""
CacheOutcome = Literal["none", "hit", "miss"]


class AttemptRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at a provider. `n` counts from 1 within the request."""

    n: Int32
    provider: str
    connection: str
    model: str
    """The id that the provider knows."""
    started: datetime
    total_ms: float
    first_byte_ms: float | None = None
    """Until the head of the answer came; None when it never did."""
    status: Int32 | None = None
    """The provider's HTTP status; None when there was no answer."""
    error_class: Kind | None = None
    reason: str | None = None
    """Why this candidate was tried, or why it failed, in words."""
    upstream_request_id: str | None = None
    """The provider's own."""


class RequestRecord(Struct, kw_only=True, omit_defaults=True):
    """What happened to one request; the steps of its life fill it, and nobody changes it once it is
    written. Token classes are disjoint, except that `reasoning` is a part
    of `output`; money is integer nano-dollars; durations are milliseconds."""

    request_id: str
    time: datetime
    """When the request arrived, in UTC."""
    path: str
    client_format: str
    status: Int32
    """HTTP status that the client got; 499 when it left first."""
    total_ms: float
    config_digest: str
    key: str | None = None
    """Id of the API key, never the key."""
    tags: Mapping[str, str] = {}
    session: str | None = None
    client_ip: str | None = None
    kind: str = "chat"
    stream: bool = False
    requested_model: str | None = None
    provider: str | None = None
    connection: str | None = None
    upstream_model: str | None = None
    error_class: Kind | None = None
    error_message: str | None = None
    """Masked by whoever builds the record; cut to MAX_TEXT_CHARS."""
    input_uncached: Int64 | None = None
    cache_read: Int64 | None = None
    cache_write: Int64 | None = None
    output: Int64 | None = None
    reasoning: Int64 | None = None
    usage_estimated: bool = False
    """The provider did not report the tokens; they were counted here."""
    cost_nanousd: Int64 | None = None
    price_source: str | None = None
    first_byte_ms: float | None = None
    """Until the first byte of the answer's body went to the client."""
    upstream_ms: float | None = None
    """Spent waiting for providers, all attempts together."""
    overhead_ms: float | None = None
    """Spent in the gateway itself before the first byte."""
    cache: CacheOutcome = "none"
    decided_by: str | None = None
    """The policy, limit, budget or rule that refused or rerouted, with its file:line."""
    fallback_reason: str | None = None
    """Class of the error for which the first candidate did not serve the request."""
    dropped: tuple[str, ...] = ()
    """Fields of the request that the provider's format could not express."""
    bytes_in: Int64 = 0
    bytes_out: Int64 = 0
    attempts: tuple[AttemptRecord, ...] = ()
    user_agent: str | None = None
    """The client's header; the database has the program and its version."""
    app: str | None = None
    """What the program calls itself beside that, where it speaks through a library."""
    agent: str | None = None
    """Within the session, as the client named it."""
    parent_agent: str | None = None
    service_tier: str | None = None
    """What the provider says it served."""
    git_commit: str | None = None
    saved_nanousd: Int64 | None = None
    """What a kept answer would have cost; what the provider's cache made cheaper, less what writing
    it cost more."""


_TEXTS: Final = (
    "request_id",
    "path",
    "session",
    "requested_model",
    "upstream_model",
    "error_message",
    "decided_by",
    "fallback_reason",
    "user_agent",
    "app",
    "agent",
    "parent_agent",
    "service_tier",
)
_LONG_LINE_BYTES: Final = 16 << 10
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RequestRecord).decode


def render_line(record: RequestRecord) -> bytes:
    """The record as one line with its newline, whatever text a client put into it."""
    if not _is_small(record):
        record = _normal(record)
    try:
        line = _encode(record)
    except UnicodeEncodeError:  # a lone surrogate, for example from a header
        record = _printable(record)
        line = _encode(record)
    if len(line) > _LONG_LINE_BYTES:  # names within tags or dropped, at which nobody looks earlier
        line = _encode(_normal(record))
    return line + b"\n"


def parse_line(line: bytes) -> RequestRecord:
    """The record of a line without its newline; ValueError when it is torn or not a record.

    Fields that this version does not know are ignored, so that a downgrade can still drain.
    """
    try:
        return _decode(line)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc


def _is_small(record: RequestRecord) -> bool:
    """Whether `_normal` has nothing to do, as nearly always, at a glance."""
    texts = (
        len(record.path)
        + len(record.request_id)
        + len(record.requested_model or "")
        + len(record.upstream_model or "")
        + len(record.session or "")
        + len(record.decided_by or "")
        + len(record.user_agent or "")
        + len(record.app or "")
        + len(record.agent or "")
        + len(record.parent_agent or "")
        + len(record.service_tier or "")
    )
    return (
        texts <= MAX_TEXT_CHARS
        and record.error_message is None
        and record.fallback_reason is None
        and record.time.tzinfo is UTC
        and len(record.tags) <= MAX_ITEMS
        and len(record.dropped) <= MAX_ITEMS
        and len(record.attempts) <= 1
        and all(map(_is_normal, record.attempts))
    )


def _normal(record: RequestRecord) -> RequestRecord:
    """Bounded, and with its times in UTC: the database has no zones. Mostly the record itself."""
    changes: dict[str, Any] = {
        name: cut(text)
        for name in _TEXTS
        if (text := getattr(record, name)) is not None and len(text) > MAX_TEXT_CHARS
    }
    if record.time.tzinfo is not UTC:
        changes["time"] = record.time.astimezone(UTC)
    if not _is_short(record.dropped):
        changes["dropped"] = tuple(map(cut, record.dropped[:MAX_ITEMS]))
    if not _is_short(record.tags):
        tags = list(record.tags.items())[:MAX_ITEMS]
        changes["tags"] = {cut(name): cut(value) for name, value in tags}
    attempts = record.attempts[:MAX_ITEMS]
    if len(attempts) < len(record.attempts) or any(not _is_normal(attempt) for attempt in attempts):
        changes["attempts"] = tuple(
            msgspec.structs.replace(
                attempt,
                started=attempt.started.astimezone(UTC),
                model=cut(attempt.model),
                reason=_cut(attempt.reason),
                upstream_request_id=_cut(attempt.upstream_request_id),
            )
            for attempt in attempts
        )
    return msgspec.structs.replace(record, **changes) if changes else record


def _is_short(items: Mapping[str, str] | tuple[str, ...]) -> bool:
    if len(items) > MAX_ITEMS:
        return False
    texts = (*items, *items.values()) if isinstance(items, Mapping) else items
    return max(map(len, texts), default=0) <= MAX_TEXT_CHARS


def _is_normal(attempt: AttemptRecord) -> bool:
    longest = max(
        len(attempt.model), len(attempt.reason or ""), len(attempt.upstream_request_id or "")
    )
    return attempt.started.tzinfo is UTC and longest <= MAX_TEXT_CHARS


def cut(text: str) -> str:
    """A text of a row, bounded."""
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"


def _cut(text: str | None) -> str | None:
    return None if text is None else cut(text)


def _printable(record: RequestRecord) -> RequestRecord:
    def clean(text: str) -> str:
        return text.encode("utf-8", "replace").decode()

    texts = {
        name: clean(text)
        for name in record.__struct_fields__
        if isinstance(text := getattr(record, name), str)
    }
    return msgspec.structs.replace(
        record,
        **texts,
        tags={clean(name): clean(value) for name, value in record.tags.items()},
        dropped=tuple(clean(field) for field in record.dropped),
        attempts=tuple(
            msgspec.structs.replace(
                attempt,
                **{
                    name: clean(text)
                    for name in ("model", "reason", "upstream_request_id")
                    if (text := getattr(attempt, name)) is not None
                },
            )
            for attempt in record.attempts
        ),
    )
