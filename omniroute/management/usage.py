"""Usage as rows and sums, for people who may read all of it: asked of the process that reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from omniroute.errors import RequestError
from omniroute.ledger.named import literal, named_sql
from omniroute.ledger.question import Limits
from omniroute.ledger.rendering import QueryTable
from omniroute.management.moment import Instant
from omniroute.worker.runtime import Runtime

T = TypeVar("T")

MAX_PAGE: Final = 200
_MOST_GROUPS: Final = 2000
_LATELY: Final = timedelta(days=1)
Status = Annotated[str, Meta(pattern=r"^([1-5](xx|[0-9]{2}))?$")]
"""One status, or a hundred of them: `429`, `4xx`."""
Word = Annotated[str, Meta(max_length=100)]


class UsageFilter(Struct, frozen=True, kw_only=True, rename="camel"):
    """All that are given have to fit, and none of those that begin with `not`; what is empty says
    nothing. From `from` on, up to but without `to`; `model` is as the provider calls it, or as the
    client asked for it."""

    since: datetime | UnsetType = field(name="from", default=UNSET)
    until: datetime | UnsetType = field(name="to", default=UNSET)
    key: Word | UnsetType = UNSET
    model: Word | UnsetType = UNSET
    provider: Word | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    not_key: Word | UnsetType = UNSET
    not_model: Word | UnsetType = UNSET
    not_provider: Word | UnsetType = UNSET
    not_status: Status | UnsetType = UNSET


class UsagePage(UsageFilter, frozen=True, kw_only=True, rename="camel"):
    """`cursor` is the `nextCursor` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Meta(pattern=r"^([0-9]{1,17}\.[0-9]{1,20})?$")] | UnsetType = UNSET


class LoggedRequest(Struct, frozen=True, kw_only=True, rename="camel"):
    """One request. Tokens are null where nobody knows, `cost` and `saved` are US dollars, durations
    milliseconds."""

    id: str
    timestamp: Instant
    path: str
    status: int
    key: str | None
    session: str | None
    agent: str | None
    client: str | None
    requested_model: str | None
    provider: str | None
    model: str | None
    connection_id: str
    duration: float
    first_byte_ms: float | None
    attempts: int
    in_: int | None = field(name="in")
    out: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None
    cost: float | None
    saved: float | None
    cache: str
    rule: str | None
    error_class: str | None
    error: str | None


class _Placed(LoggedRequest, frozen=True, kw_only=True, rename="camel"):
    place: str
    """In the order of pages: arrival, in microseconds since the epoch, and a digest of the id."""


class UsageSum(Struct, frozen=True, kw_only=True, rename="camel"):
    """`unpriced` were answered and nobody knows what they cost, so `cost` is without them."""

    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    saved: float
    unpriced: int
    last_used: Instant | None


class _Group(UsageSum, frozen=True, kw_only=True, rename="camel"):
    part: str
    name: str


class UsageLog(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, the newest first, and the sums of all pages. `nextCursor` is null on the last one."""

    logs: list[LoggedRequest]
    totals: UsageSum
    next_cursor: str | None


class UsageHistory(Struct, frozen=True, kw_only=True, rename="camel"):
    """Sums by provider, `provider/model`, `provider/connection` and key, the dearest first; an
    empty name is what had none."""

    total_requests: int
    total_prompt_tokens: int
    total_completion_tokens: int
    total_cost: float
    total_saved: float
    unpriced: int
    by_provider: dict[str, UsageSum]
    by_model: dict[str, UsageSum]
    by_account: dict[str, UsageSum]
    by_api_key: dict[str, UsageSum]


class LatencyReport(Struct, frozen=True, kw_only=True):
    """Milliseconds from arrival to the end of the answer, of `count` answered requests."""

    p50: float
    p95: float
    p99: float
    count: int


class _Latency(LatencyReport, frozen=True, kw_only=True):
    name: str


class TelemetrySummary(Struct, frozen=True, kw_only=True):
    """Of the last day, unless it was asked for another time."""

    providers: dict[str, LatencyReport]


async def log(runtime: Runtime, page: UsagePage) -> UsageLog:
    """Raises RequestError."""
    where = list(_conditions(page))
    totals = await _groups(runtime, where)
    if page.cursor:
        at, _, mark = page.cursor.partition(".")
        where.append(f"time <= make_timestamp({at})")
        where.append(f"time < make_timestamp({at}) OR hash(request_id) < {mark}")
    sql = named_sql("log", where=_all(where), most=str(page.limit + 1))
    found = await _read(runtime, sql, _Placed, most=page.limit + 1)
    shown = found[: page.limit]
    return UsageLog(
        logs=[_without(entry, LoggedRequest) for entry in shown],
        totals=_without(totals["all"][""], UsageSum),
        next_cursor=shown[-1].place if len(found) > page.limit else None,
    )


async def history(
    runtime: Runtime, asked: UsageFilter, *, connection: str | None = None
) -> UsageHistory:
    """Of a connection, `provider/connection`, alone where one is given. Raises RequestError."""
    where = list(_conditions(asked))
    if connection is not None:
        if connection not in runtime.snapshot.outlets and not await _was_used(runtime, connection):
            raise RequestError("not_found", f'there is no connection "{connection}"')
        where.append(f"concat_ws('/', provider, connection) = {literal(connection)}")
    groups = await _groups(runtime, where)
    whole = groups["all"][""]
    return UsageHistory(
        total_requests=whole.requests,
        total_prompt_tokens=whole.prompt_tokens,
        total_completion_tokens=whole.completion_tokens,
        total_cost=whole.cost,
        total_saved=whole.saved,
        unpriced=whole.unpriced,
        **{
            field_name: {
                name: _without(group, UsageSum) for name, group in groups.get(part, {}).items()
            }
            for field_name, part in (
                ("by_provider", "provider"),
                ("by_model", "model"),
                ("by_account", "connection"),
                ("by_api_key", "key"),
            )
        },
    )


async def telemetry(runtime: Runtime, asked: UsageFilter) -> TelemetrySummary:
    """Raises RequestError."""
    where = list(_conditions(asked))
    if asked.since is UNSET and asked.until is UNSET:
        where.append(f"time >= {literal(runtime.clock.now() - _LATELY)}")
    found = await _read(
        runtime, named_sql("telemetry", where=_all(where)), _Latency, most=_MOST_GROUPS
    )
    return TelemetrySummary(
        providers={entry.name: _without(entry, LatencyReport) for entry in found}
    )


def _conditions(asked: UsageFilter) -> Iterator[str]:
    if asked.since is not UNSET:
        yield f"time >= {_instant(asked.since)}"
    if asked.until is not UNSET:
        yield f"time < {_instant(asked.until)}"
    for said, wanted in ((asked, True), (_negated(asked), False)):
        for condition in _fitting(said):
            yield condition if wanted else f"({condition}) IS NOT TRUE"


def _negated(asked: UsageFilter) -> UsageFilter:
    """What must not fit, as what must."""
    return UsageFilter(
        key=asked.not_key,
        model=asked.not_model,
        provider=asked.not_provider,
        status=asked.not_status,
    )


def _fitting(asked: UsageFilter) -> Iterator[str]:
    if asked.key:
        yield f"key = {literal(asked.key)}"
    if asked.provider:
        yield f"provider = {literal(asked.provider)}"
    if asked.model:
        name = literal(asked.model)
        yield f"model = {name} OR requested_model = {name} OR provider || '/' || model = {name}"
    if asked.status:
        hundred = asked.status[0] if asked.status.endswith("xx") else None
        yield f"status // 100 = {hundred}" if hundred else f"status = {asked.status}"


def _all(conditions: list[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions) or "true"


def _instant(at: datetime) -> str:
    try:
        return literal(at.astimezone(UTC) if at.tzinfo else at)
    except OverflowError:  # an hour before the year 1
        raise RequestError("invalid_request", "there is no such time", param="from") from None


async def _was_used(runtime: Runtime, connection: str) -> bool:
    sql = (
        "SELECT 1 AS found FROM requests "  # noqa: S608 - a literal
        f"WHERE concat_ws('/', provider, connection) = {literal(connection)} LIMIT 1"
    )
    return bool(await _read(runtime, sql, dict[str, int], most=1))


async def _groups(runtime: Runtime, where: list[str]) -> dict[str, dict[str, _Group]]:
    sql = named_sql("history", where=_all(where))
    found: dict[str, dict[str, _Group]] = {}
    for group in await _read(runtime, sql, _Group, most=_MOST_GROUPS):
        found.setdefault(group.part, {})[group.name] = group
    return found


async def _read(runtime: Runtime, sql: str, kind: type[T], *, most: int) -> list[T]:
    told = await runtime.questions.ask(sql, limits=Limits(rows=most))
    table = msgspec.json.decode(told.body, type=QueryTable)
    names = [column.name for column in table.columns]
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind) for row in table.rows]


def _without(entry: Struct, kind: type[T]) -> T:
    """The fields that are `kind`'s."""
    return msgspec.convert(entry, kind, from_attributes=True)
