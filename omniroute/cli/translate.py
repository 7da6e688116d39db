"""`omniroute translate` and `omniroute formats`: what the tables do to a body, offline."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click
import orjson
from msgspec import structs

from omniroute.cli.tabular import render_rows
from omniroute.errors import OmnirouteError, TableError, TranslationError, UsageError
from omniroute.gateway.tables import USER_FOLDER, read_tables
from omniroute.translation.registry import load_formats
from omniroute.translation.values import Formats, Pair, Target

_PIECE_BYTES: Final = 65536

F = TypeVar("F", bound=Callable[..., object])


def _tables_option(command: F) -> F:
    return click.option(
        "--tables",
        type=click.Path(file_okay=False),
        default=USER_FOLDER,
        show_default=True,
        metavar="DIR",
        help="Tables of your own, which add to the shipped ones or replace them.",
    )(command)


@click.command("translate")
@click.argument("file", metavar="FILE")
@click.option("--from", "source", required=True, metavar="FORMAT", help="The format of FILE.")
@click.option("--to", "to", required=True, metavar="FORMAT", help="The format to show.")
@click.option("--response", "is_response", is_flag=True, help="FILE is an answer.")
@click.option("--stream", "is_stream", is_flag=True, help="FILE is a streamed answer, as sent.")
@click.option(
    "--request",
    "request_file",
    metavar="FILE",
    help="The client's body that the answer or stream belongs to.",
)
@click.option("--model", default="model", show_default=True, help="The model's id at the provider.")
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    metavar="NAME",
    help="The model has this capability; repeatable. Without any, nothing is known.",
)
@_tables_option
def translate_command(
    file: str,
    source: str,
    to: str,
    request_file: str | None,
    model: str,
    capabilities: tuple[str, ...],
    tables: str,
    *,
    is_response: bool,
    is_stream: bool,
) -> None:
    """Show what becomes of a body between two formats.

    FILE is a client's request on its way to a provider, or with --response or --stream a provider's
    answer on its way back; `-` reads standard input. The result goes to standard output, what was
    dropped to standard error.
    """
    if is_response and is_stream:
        raise UsageError("give --response or --stream, not both")
    formats = _load(tables)
    for name in (source, to):
        if name not in formats.names():
            raise UsageError(f"there is no format {name}; known are {', '.join(formats.names())}")
    answer = is_response or is_stream
    client, upstream = (to, source) if answer else (source, to)
    pair = formats.pair(client, upstream)
    data = _read(file)
    body = _object(_read(request_file), request_file) if request_file else {}
    where = Target(
        provider=upstream,
        model=model,
        stream=is_stream,
        capabilities=frozenset(capabilities) if capabilities else None,
    )
    if is_stream:
        dropped = _write_stream(pair, data, body, where)
    elif is_response:
        reply = pair.reply(data, body, where)
        _write_json(reply.body)
        dropped = reply.dropped
    else:
        body = _object(data, file)
        streamed = formats.client(source).facts(body).stream
        dropped = _write_request(pair, body, data, structs.replace(where, stream=streamed))
    if dropped:
        click.echo(f"dropped: {', '.join(dropped)}", err=True)


def _write_request(pair: Pair, body: dict[str, Any], raw: bytes, where: Target) -> tuple[str, ...]:
    try:
        sent = pair.request(body, raw, where)
    except TranslationError as error:
        field = f" ({error.param})" if error.param else ""
        raise OmnirouteError(f"refused{field}: {error.message}") from error
    query = "&".join(f"{name}={value}" for name, value in sent.query)
    click.echo(f"POST {sent.path}{'?' if query else ''}{query}", err=True)
    _write_json(sent.body)
    return sent.dropped


def _write_stream(pair: Pair, data: bytes, body: dict[str, Any], where: Target) -> tuple[str, ...]:
    stream = pair.stream(body, where)
    out = sys.stdout.buffer
    for start in range(0, len(data), _PIECE_BYTES):
        out.write(stream.feed(data[start : start + _PIECE_BYTES]))
    if stream.failure is None:
        out.write(stream.finish())
    if stream.failure is not None:
        out.write(stream.fail(stream.failure))
    out.flush()
    if stream.malformed:
        click.echo(f"skipped: {stream.malformed} frames that cannot be read", err=True)
    return stream.dropped


@click.command("formats")
@_tables_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def formats_command(tables: str, *, as_json: bool) -> None:
    """List the wire formats: where they come from, how they stream, what they cannot express."""
    found = [
        {
            "format": about.name,
            "title": about.title,
            "table": about.file,
            "framing": about.framing,
            "path": about.path,
            "drops": list(about.drops),
            "rejects": list(about.rejects),
        }
        for about in _load(tables).about()
    ]
    if as_json:
        _write_json(orjson.dumps(found))
        return
    columns = ("format", "framing", "path", "table", "title")
    rows = [[row[name] for name in columns] for row in found]
    for line in render_rows(columns, ["VARCHAR"] * len(columns), rows, "table"):
        click.echo(line, nl=False)


def _load(folder: str) -> Formats:
    texts = read_tables(Path(folder))
    try:
        return load_formats(texts)
    except TableError as error:
        click.echo(str(error), err=True)
        raise OmnirouteError("the tables cannot be used") from error


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def _object(data: bytes, file: str) -> dict[str, Any]:
    try:
        body: Any = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError(f"{file} does not hold a JSON object")
    return cast(dict[str, Any], body)


def _write_json(data: bytes) -> None:
    text = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2)
    sys.stdout.buffer.write(text + b"\n")
