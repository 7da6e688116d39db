"""Questions that have a name: each is a file in `sql/named/`, for people to read and to copy.

A file's first line says what it answers. `$word` in it is where what somebody asks for goes, as SQL
that runs anywhere: what `fill` makes of it needs no parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from omniroute.base.units import NANO, parse_duration
from omniroute.config.model import Budget
from omniroute.ledger.paths import read_sql

BY: Final[Mapping[str, str]] = {
    "key": "key",
    "model": "concat_ws('/', provider, model)",
    "provider": "provider",
    "tag": "tag",
    "session": "session",
    "client": "concat_ws(' ', client, client_version)",
    "agent": "agent",
    "commit": "coalesce(git_commit, config_digest)",
}
"""What usage can be grouped by, and its SQL; `tag` is every tag, `tag:team` the values of one."""

_PLACE: Final = re.compile(r"\$([a-z]+)")
_TODAY: Final = "date_trunc('day', now() AT TIME ZONE 'UTC')"


def named_sql(name: str, /, **values: str) -> str:
    """The question of a file, with SQL in its places. KeyError for a place that gets none."""
    text = read_sql(f"named/{name}.sql")
    return _PLACE.sub(lambda place: values[place[1]], text)


def usage_sql(by: str, since: str) -> str:
    """Usage since a moment, for each of something. ValueError for what nobody groups by."""
    word, _, tag = by.partition(":")
    if word not in BY or (tag and word != "tag"):
        raise ValueError(f"{by!r} is not one of {', '.join(BY)}; or one tag's values: tag:team")
    if by == "tag":
        return named_sql("usage_by_tag", since=since)
    return named_sql(
        "usage",
        by=f"tags[{literal(tag)}]" if tag else BY[word],
        name=word if not tag else _quoted(tag),
        since=since,
    )


def moment_sql(text: str) -> str:
    """`today`, a time span up to now (`7d`), a day or an instant (UTC unless it says otherwise).

    Spans stay relative, so that a copied query goes on meaning it. ValueError for anything else.
    """
    if text == "today":
        return _TODAY
    try:
        span_ms = round(parse_duration(text) * 1000)
    except ValueError:
        pass
    else:
        return f"now() AT TIME ZONE 'UTC' - INTERVAL '{span_ms} milliseconds'"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment; write today, 24h, 7d, 2026-11-01 or 2026-11-01T08:00"
        ) from None
    return literal(at)


def budgets_sql(budgets: Iterable[tuple[Budget, datetime]]) -> str:
    """How near budgets are to their limits; each with the start of its period. At least one."""
    return named_sql("budgets", budgets=",\n  ".join(map(_budget_row, budgets)))


def _budget_row(item: tuple[Budget, datetime]) -> str:
    budget, since = item
    key = tag = value = provider = model = None
    match budget.scope:
        case ("key", key):
            pass
        case ("tag", tag, value):
            pass
        case ("provider", provider):
            pass
        case ("model", glob):
            model = glob.replace("[", "[[]")  # to DuckDB a bracket begins a set
        case _:
            pass
    limit = Decimal(budget.limit_nanousd) / NANO
    row = (budget.id, budget.period, since, limit, key, tag, value, provider, model)
    return f"({', '.join(map(literal, row))})"


def literal(value: str | Decimal | datetime | None) -> str:
    """A value as SQL; an instant is UTC from then on, None a text that is not there."""
    match value:
        case None:
            return "NULL::VARCHAR"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Decimal():
            return f"{value:f}"
        case datetime():
            utc = value.astimezone(UTC) if value.tzinfo else value
            return f"TIMESTAMP '{utc:%Y-%m-%d %H:%M:%S.%f}'"


def _quoted(name: str) -> str:
    """A name of a column, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
