"""`omniroute translate`: what the tables do to a body, offline."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click
import orjson
from msgspec import structs

from omniroute.base.bigjson import read_json
from omniroute.cli.completing import formats as complete_formats
from omniroute.cli.completing import presets
from omniroute.cli.formats import load_tables, tables_option, write_json
from omniroute.cli.providers import preset_of
from omniroute.config.preset import Preset
from omniroute.errors import OmnirouteError, TranslationError, UsageError
from omniroute.translation.values import Destination, Pair

_PIECE_BYTES: Final = 65536

F = TypeVar("F", bound=Callable[..., object])


@click.command("translate")
@click.argument("file", metavar="FILE")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help="The format of FILE.",
)
@click.option(
    "--to",
    "to",
    required=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help="The format to show.",
)
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
@click.option(
    "--preset",
    "preset",
    metavar="NAME",
    shell_complete=presets,
    help="As the servers of that preset want it: their names of fields, what they refuse, quirks.",
)
@tables_option
def translate_command(
    file: str,
    source: str,
    to: str,
    request_file: str | None,
    model: str,
    capabilities: tuple[str, ...],
    preset: str | None,
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
    formats = load_tables(tables)
    for name in (source, to):
        if name not in formats.names():
            raise UsageError(f"there is no format {name}; known are {', '.join(formats.names())}")
    answer = is_response or is_stream
    client, upstream = (to, source) if answer else (source, to)
    pair = formats.pair(client, upstream)
    data = _read(file)
    body = _object(_read(request_file), request_file) if request_file else {}
    where = Destination(
        provider=upstream,
        model=model,
        stream=is_stream,
        capabilities=frozenset(capabilities) if capabilities else None,
    )
    if preset is not None:
        where = _at(preset_of(preset), where)
    if is_stream:
        dropped = _write_stream(pair, data, body, where)
    elif is_response:
        reply = pair.reply(data, body, where)
        write_json(reply.body)
        dropped = reply.dropped
    else:
        body = _object(data, file)
        streamed = formats.client(source).facts(body).stream
        dropped = _write_request(pair, body, data, structs.replace(where, stream=streamed))
    if dropped:
        click.echo(f"dropped: {', '.join(dropped)}", err=True)


def _at(preset: Preset, where: Destination) -> Destination:
    return structs.replace(
        where,
        without=frozenset(preset.omit),
        renamed=preset.rename,
        quirks={} if preset.quirks is None else structs.asdict(preset.quirks),
    )


def _write_request(
    pair: Pair, body: dict[str, Any], raw: bytes, where: Destination
) -> tuple[str, ...]:
    try:
        sent = pair.request(body, raw, where)
    except TranslationError as error:
        field = f" ({error.param})" if error.param else ""
        raise OmnirouteError(f"refused{field}: {error.message}") from error
    query = "&".join(f"{name}={value}" for name, value in sent.query)
    click.echo(f"POST {sent.path}{'?' if query else ''}{query}", err=True)
    write_json(sent.body)
    return sent.dropped


def _write_stream(
    pair: Pair, data: bytes, body: dict[str, Any], where: Destination
) -> tuple[str, ...]:
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


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def _object(data: bytes, file: str) -> dict[str, Any]:
    try:
        body: Any = read_json(data)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError(f"{file} does not hold a JSON object")
    return cast(dict[str, Any], body)
