"""`omniroute show`: a request's whole story, as the usage database has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
import orjson

from omniroute.cli.reading import data_folder, ledger_options
from omniroute.cli.tabular import aligned, printable, window
from omniroute.errors import LedgerError
from omniroute.ledger.queries import freshen, open_ledger
from omniroute.ledger.rendering import exact, json_value

_REQUESTS: Final = "FROM requests WHERE request_id = ? ORDER BY time"
_ATTEMPTS: Final = "FROM attempts WHERE request_id = ? AND time = ? ORDER BY n"
_EVENTS: Final = "FROM events WHERE time BETWEEN ? AND ? ORDER BY time"
_AROUND: Final = timedelta(seconds=1)

Row = Mapping[str, Any]


@click.command("show")
@click.argument("request_id", metavar="REQUEST_ID")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with every column.")
@ledger_options
def show_command(
    request_id: str,
    config: tuple[str, ...],
    data_dir: str | None,
    patience_s: float,
    *,
    as_json: bool,
) -> None:
    """Tell what became of a request: who asked, what was decided, each attempt, timings, cost.

    Also which line of the configuration decided, and what changed in the gateway meanwhile.

    REQUEST_ID is what the client got as X-Request-Id. The server may be running.
    """
    folder = data_folder(config, data_dir)
    note = freshen(folder, patience_s=patience_s)
    if note is not None:
        click.echo(f"note: {note}", err=True)
    stories = _stories(folder, request_id, patience_s)
    if not stories:
        raise LedgerError(
            f"no request {request_id} in {folder}; its id is in the answer's X-Request-Id header"
        )
    if as_json:
        told = [json_value(story) for story in stories]
        option = orjson.OPT_INDENT_2 | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
        click.echo(orjson.dumps(told, option=option).decode())
        return
    click.echo("\n".join(_told(story) for story in stories), nl=False)


def _stories(folder: Path, request_id: str, patience_s: float) -> list[dict[str, Any]]:
    """Mostly one; ids that clients choose may come again."""
    with open_ledger(folder, patience_s=patience_s) as connection:

        def rows(sql: str, *values: object) -> list[dict[str, Any]]:
            cursor = connection.execute(sql, values)
            names = [str(column[0]) for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return [
            {
                "request": request,
                "attempts": rows(_ATTEMPTS, request_id, request["time"]),
                "events": rows(
                    _EVENTS,
                    request["time"] - _AROUND,
                    request["time"] + timedelta(milliseconds=request["total_ms"]) + _AROUND,
                ),
            }
            for request in rows(_REQUESTS, request_id)
        ]


def _told(story: Row) -> str:
    request: Row = story["request"]
    lines = [(name, text) for name, text in _facts(request) if text]
    text = aligned([(name, printable(said)) for name, said in lines], window())
    for title, rows in (("attempts", story["attempts"]), ("meanwhile", story["events"])):
        cells = list(map(_attempt if title == "attempts" else _event, rows))
        if cells:
            table = aligned([[printable(cell) for cell in row] for row in cells], None)
            text += f"\n{title}\n" + "".join(f"  {line}\n" for line in table.splitlines())
    return text


def _facts(of: Row) -> Iterator[tuple[str, str]]:
    tags = ", ".join(f"{name}={value}" for name, value in of["tags"].items())
    yield "request", str(of["request_id"])
    yield "time", f"{exact(of['time'])} UTC"
    key = "no key" if of["key"] is None else f"key {of['key']}"
    yield (
        "who",
        f"{key}{f' ({tags})' if tags else ''} from {of['client_ip'] or 'an unknown address'}",
    )
    yield "client", _joined(of["client"], of["client_version"])
    yield "session", of["session"] or ""
    parent = f", started by {of['parent_agent']}" if of["parent_agent"] else ""
    yield "agent", f"{of['agent']}{parent}" if of["agent"] else ""
    delivery = ", streamed" if of["stream"] else ""
    yield (
        "asked for",
        f"{of['requested_model'] or 'no model'} at {of['path']} ({of['kind']}{delivery})",
    )
    yield "decided by", _joined(of["rule"], of["rule_place"] and f"at {of['rule_place']}")
    served = _joined(of["provider"] and f"{of['provider']}/{of['connection']}", of["model"])
    yield "served by", _joined(served, of["service_tier"] and f"(tier {of['service_tier']})")
    yield "fell back", of["fallback_reason"] or ""
    yield "status", _joined(of["status"], of["error_class"])
    yield "error", of["error_message"] or ""
    yield "cache", "" if of["cache"] == "none" else of["cache"]
    yield "took", ", ".join(_timings(of))
    yield "tokens", ", ".join(_tokens(of))
    yield "cost", _cost(of)
    yield "dropped", ", ".join(of["dropped"])
    commit = of["git_commit"] and f"at commit {of['git_commit']}"
    yield "configuration", _joined(of["config_digest"], commit)
    yield "bytes", f"{of['bytes_in']} in, {of['bytes_out']} out"


def _timings(of: Row) -> Iterator[str]:
    yield f"{_ms(of['total_ms'])} in all"
    for name, words in (
        ("first_byte_ms", "to the first byte"),
        ("upstream_ms", "at providers"),
        ("overhead_ms", "in the gateway"),
    ):
        if of[name] is not None:
            yield f"{_ms(of[name])} {words}"


def _tokens(of: Row) -> Iterator[str]:
    for name, words in (
        ("input_tokens", "input"),
        ("cache_read_tokens", "of it read from the provider's cache"),
        ("cache_write_tokens", "written to it"),
        ("output_tokens", "output"),
        ("reasoning_tokens", "of it reasoning"),
    ):
        if of[name]:
            yield f"{of[name]} {words}"
    if of["usage_estimated"]:
        yield "estimated"


def _cost(of: Row) -> str:
    if of["cost_usd"] is None:
        return "unknown" if of["status"] < 400 else ""
    source = f" ({of['price_source']})" if of["price_source"] else ""
    saved = f", caches saved ${exact(of['saved_usd'])}" if of["saved_usd"] else ""
    return f"${exact(of['cost_usd'])}{source}{saved}"


def _attempt(of: Row) -> Sequence[str]:
    return (
        str(of["n"]),
        f"{of['provider']}/{of['connection']}",
        of["model"],
        "no answer" if of["status"] is None else str(of["status"]),
        _ms(of["total_ms"]),
        of["upstream_request_id"] or "",
        _joined(of["error_class"], of["reason"]),
    )


def _event(of: Row) -> Sequence[str]:
    return (exact(of["time"]), of["kind"], of["subject"], of["detail"])


def _ms(value: float) -> str:
    return f"{value:.1f} ms"


def _joined(*words: object) -> str:
    return " ".join(str(word) for word in words if word is not None and word != "")
