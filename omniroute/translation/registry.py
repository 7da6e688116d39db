"""All tables of a snapshot, compiled: what the edge and the pipeline ask for by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import inf
from types import NoneType
from typing import Any, Final, get_args

import orjson

from omniroute.base.bigjson import read_json, write_json
from omniroute.config.diagnostics import Diagnostic, sort_diagnostics
from omniroute.config.model import ModelKind, RequestLimits
from omniroute.errors import TableError, TranslationError
from omniroute.expr.functions import type_name
from omniroute.translation.bounds import bounds_of, check_bounds
from omniroute.translation.clients import key_places
from omniroute.translation.continuing import continuing_of
from omniroute.translation.counting import TableCounter
from omniroute.translation.embedding import EmbeddingPair, TableEmbedder
from omniroute.translation.format import Format, compile_table, make_format
from omniroute.translation.listing import TableLister
from omniroute.translation.opening import opening_of
from omniroute.translation.pair import FormatPair, run, run_object
from omniroute.translation.problem import Problem
from omniroute.translation.program import ProgramShelf, pack, unpack
from omniroute.translation.question import question
from omniroute.translation.serving import Envelopes, collisions
from omniroute.translation.shape import is_object
from omniroute.translation.sockets import socket_of
from omniroute.translation.stream import error_node
from omniroute.translation.table import describe, read_table
from omniroute.translation.tasks import TaskPair
from omniroute.translation.values import (
    About,
    Act,
    ClientFormat,
    Continuing,
    Counter,
    Embedder,
    Endpoint,
    Facts,
    Failure,
    Formats,
    KeyPlaces,
    Lister,
    OnSocket,
    Pair,
    Question,
)

_FACT_TYPES: Mapping[str, tuple[str, frozenset[type]]] = {
    "model": ("string", frozenset({str, NoneType})),
    "stream": ("boolean", frozenset({bool, NoneType})),
    "max_output_tokens": ("number", frozenset({int, float, NoneType})),
}

KINDS: Final[tuple[ModelKind, ...]] = get_args(ModelKind)

_PASSED_TYPE: Final = re.compile(
    r"(?:audio/[\w.+-]+|text/event-stream|application/json)(?: ?; ?[\w-]+=\"?[\w.-]+\"?)*",
    re.IGNORECASE | re.ASCII,
)
_UNKNOWN_MODEL: Final = 'the model "{model}" does not exist'


def load_formats(tables: Mapping[str, str], shelf: ProgramShelf | None = None) -> Formats:
    """Compile tables, given as file name to text; a later table of the same format replaces.

    What is on the shelf is taken from there, and what is new is put there.
    Raises TableError with a diagnostic for every mistake in any of them.
    """
    formats: dict[str, Format] = {}
    found: list[Diagnostic] = []
    for file, text in tables.items():
        compiled, diagnostics = compile_text(file, text, shelf)
        found += diagnostics
        if compiled is not None:
            formats[compiled.name] = compiled
    found += _collisions(formats)
    if found:
        ordered = sort_diagnostics(found)
        raise TableError("\n".join(str(item) for item in ordered), ordered)
    return FormatSet(formats)


@lru_cache(maxsize=32)
def compile_text(
    file: str, text: str, shelf: ProgramShelf | None = None
) -> tuple[Format | None, tuple[Diagnostic, ...]]:
    """A table, compiled; None when there is anything to complain of.

    Kept, as one takes 50 ms and mostly a single one of them has changed.
    """
    kept = None if shelf is None else shelf.get(file, text)
    if kept is not None:
        return make_format(*unpack(file, text, kept)), ()
    table, found = read_table(file, text)
    if table is None:
        return None, tuple(found)
    program, problems = compile_table(table)
    if program is None:
        return None, (*found, *problems)
    if shelf is not None and (data := pack(table, program)) is not None:
        shelf.put(file, text, data)
    return make_format(table, program), (*found, *problems)


def _collisions(formats: Mapping[str, Format]) -> Iterator[Diagnostic]:
    endpoints = [endpoint for format in formats.values() for endpoint in format.endpoints]
    for endpoint, earlier in collisions(endpoints):
        key = f"{endpoint.method} {endpoint.path}"
        problem = Problem(
            path=("client", "serves", key),
            message=f"{key} is where clients of {earlier.format} ask already",
            hint="name a header that only these clients send (client.told_by), or another path",
        )
        yield from describe(formats[endpoint.format].table, [problem])


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class FormatSet:
    """See `omniroute.translation.values.Formats`."""

    def __init__(self, formats: Mapping[str, Format]) -> None:
        self._formats = formats
        self.speaking: Mapping[ModelKind, frozenset[str]] = {
            kind: frozenset(name for name, one in formats.items() if _asks(one, kind))
            for kind in KINDS
        }
        self._clients: dict[tuple[str, str], ClientSide] = {
            (name, kind): ClientSide(one) if kind == "chat" else TaskClient(one, kind)
            for name, one in formats.items()
            for kind in KINDS
            if _serves(one, kind) or (kind == "chat" and one.endpoints)
        }
        self._pairs: dict[tuple[str, str, str], FormatPair] = {
            (client.name, upstream.name, kind): _pair(client, upstream, kind)
            for client in formats.values()
            for upstream in formats.values()
            for kind in KINDS
            if _serves(client, kind) and _asks(upstream, kind, by=client)
        }
        self.reached: Mapping[tuple[str, ModelKind], frozenset[str]] = {
            (client, kind): frozenset(one for one in formats if (client, one, kind) in self._pairs)
            for client in formats
            for kind in KINDS
        }
        self.endpoints = tuple(one for format in formats.values() for one in format.endpoints)
        self._envelopes = Envelopes(_prefixes(formats))
        places = [key_places(format.table) for format in formats.values()]
        self.key_places = KeyPlaces(
            headers=tuple(dict.fromkeys(name for place in places for name in place.headers)),
            queries=tuple(dict.fromkeys(name for place in places for name in place.queries)),
        )
        varying = (format.table.section("client", "vary") or () for format in formats.values())
        self.vary = tuple(dict.fromkeys(name.lower() for names in varying for name in names))

    def envelope(self, path: str, headers: Mapping[str, str]) -> str | None:
        return self._envelopes.find(path, headers)

    def names(self) -> tuple[str, ...]:
        return tuple(self._formats)

    def about(self) -> tuple[About, ...]:
        return tuple(_about(format) for format in self._formats.values())

    def client(self, name: str, kind: ModelKind = "chat") -> ClientFormat:
        return self._clients[name, kind]

    def pair(self, client: str, upstream: str, kind: ModelKind = "chat") -> Pair:
        return self._pairs[client, upstream, kind]

    def embedder(self, upstream: str) -> Embedder | None:
        format = self._formats[upstream]
        return TableEmbedder(format) if _asks(format, "embedding") else None

    def counter(self, upstream: str) -> Counter | None:
        format = self._formats[upstream]
        return TableCounter(format) if format.table.mapping("count") else None

    def lister(self, upstream: str) -> Lister | None:
        format = self._formats[upstream]
        return TableLister(format) if format.table.mapping("listing") else None

    def auth_headers(self, upstream: str, key: str) -> tuple[tuple[str, str], ...]:
        auth = self._formats[upstream].table.mapping("auth")
        if not auth or not key:
            return ()
        return ((str(auth["header"]), str(auth["template"]).replace("{key}", key)),)


def _prefixes(formats: Mapping[str, Format]) -> Iterator[tuple[str, Endpoint]]:
    """Every path whose errors are some format's, with an endpoint of that format."""
    for format in formats.values():
        for endpoint in format.endpoints:
            yield endpoint.path, endpoint
        if format.endpoints:
            for path in format.table.section("client", "errors_at") or ():
                yield path, format.endpoints[0]


def _paths(format: Format) -> Iterator[str]:
    """Of its providers, where they do not chat."""
    for task in format.tasks.values():
        yield from task.paths.values()


def _about(format: Format) -> About:
    table = format.table
    title = table.section("title")
    return About(
        name=format.name,
        title=title if isinstance(title, str) else format.name,
        file=table.file,
        framing=table.section("framing") or "",
        path=table.section("paths", "chat") or next(iter(_paths(format)), ""),
        drops=tuple(row.field for row in format.unsupported if row.action == "drop"),
        rejects=tuple(row.field for row in format.unsupported if row.action == "reject"),
    )


def _takes_all(body: dict[str, Any]) -> None:
    """The check of a table that does not say what its fields may be."""


class ClientSide:
    """See `omniroute.translation.values.ClientFormat`."""

    def __init__(self, format: Format) -> None:
        self.name = format.name
        self.continuing: Continuing | None = continuing_of(format)
        self.socket: OnSocket | None = socket_of(format)
        self._format = format
        self._fields = format.fields
        self._named = format.name
        self.check = _takes_all if format.fields is None else format.fields.check
        table = format.table
        self.loads_without: str | None = table.section("client", "loads_without")
        self.unknown_model: str = table.section("client", "unknown_model") or _UNKNOWN_MODEL
        self._bounds = bounds_of(format)
        self._progress: dict[str, Any] = table.mapping("client", "progress", "members")
        named = table.section("client", "progress", "named") is not False
        self._progress_head = b"event: progress\ndata: " if named else b"data: "

    def answer(self, name: str, node: Mapping[str, Any], *, now_s: float = 0) -> Any:
        convert = self._format.functions[f"client.answers.{name}"]
        return run(convert, node, {"dropped": {}, "now_s": now_s})

    def request_in(self, act: Act, raw: bytes) -> bytes:
        convert = self._format.functions.get(f"client.{act}.of")
        if convert is None:
            return raw
        try:
            body = read_json(raw)
        except orjson.JSONDecodeError:
            return raw  # whoever reads it says so
        if not is_object(body):
            return raw
        request = run(convert, body, {"dropped": {}})
        return raw if request is body else write_json(request)

    def check_bounds(self, body: dict[str, Any], limits: RequestLimits, *, size_bytes: int) -> None:
        check_bounds(self._bounds, body, limits, size_bytes=size_bytes)

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        fields = self._fields
        return {} if fields is None else fields.schemas(lambda shape: f"{self._named}.{shape}")

    def check_counted(self, body: dict[str, Any]) -> None:
        decode = self._format.functions["request.decode"]
        request = run_object(decode, body, {"dropped": {}, "request": body})
        if not any(message.get("blocks") for message in request.get("messages") or ()):
            raise TranslationError("the request says nothing")

    def details_of(self, body: dict[str, Any]) -> str | None:
        convert = self._format.functions.get("client.details.of")
        model = body.get("model") if convert is None else run(convert, body, {"dropped": {}})
        return model if type(model) is str else None

    def progress(self, counts: Mapping[str, int]) -> bytes:
        data = {"type": "progress", **self._progress, **counts}
        return self._progress_head + orjson.dumps(data) + b"\n\n"

    def facts(self, body: dict[str, Any]) -> Facts:
        found: Any = run(self._format.functions["facts"], body, {"dropped": {}}) or {}
        facts = found
        for name, (wanted, types) in _FACT_TYPES.items():
            value = facts.get(name)
            if type(value) not in types:
                field = self._field(name)
                message = f"{field} must be a {wanted}, not {type_name(value)}"
                raise TranslationError(message, param=field)
        session, limit = facts.get("session"), facts.get("max_output_tokens")
        return Facts(
            model=facts.get("model"),
            stream=facts.get("stream") is True,
            session=session if type(session) is str and session else None,
            # A negative one is how some clients write that there is none.
            max_output_tokens=int(limit) if limit is not None and 0 <= limit < inf else None,
            tools=bool(facts.get("tools")),
            images=bool(facts.get("images")),
            temperature=_number(facts.get("temperature")),
            calls=tuple(call for call in facts.get("calls") or () if isinstance(call, str)),
        )

    def opening(self, body: dict[str, Any]) -> str | None:
        return opening_of(self._bounds, body)

    def status(self, failure: Failure) -> int:
        own = self._format.constants("errors", "statuses").get(str(failure.status))
        return own if type(own) is int else failure.status

    def question(self, body: dict[str, Any]) -> Question | None:
        return question(self._format, body)

    def error(self, failure: Failure, request_id: str) -> bytes:
        node = {**error_node(failure, request_id), "status": self.status(failure)}
        return orjson.dumps(self._format.functions["errors.encode"](node, {"dropped": {}}))

    def stream_content_type(self, framing: str | None = None, *, given: str = "") -> str:
        return self._format.framing_for(framing).content_type

    def _field(self, name: str) -> str:
        """The client's own name for a fact: the first field that its expression reads."""
        expression = self._format.table.section("facts", name)
        return expression.split(" ", 1)[0] if isinstance(expression, str) else name


class TaskClient(ClientSide):
    """A format's clients where they ask models that do not chat: nothing goes on from an answer."""

    def __init__(self, format: Format, kind: ModelKind) -> None:
        super().__init__(format)
        self._facts = format.functions[f"{kind}.facts"]
        self._fields = fields = format.tasks[kind].fields
        self._named = f"{format.name}.{kind}"
        self.check = _takes_all if fields is None else fields.check
        self._passes = format.tasks[kind].raw is not None
        self.continuing = self.socket = None
        self.loads_without = None

    def stream_content_type(self, framing: str | None = None, *, given: str = "") -> str:
        if not self._passes:
            return super().stream_content_type(framing)
        # A browser must not take it for a page, whatever a provider calls it.
        return given if _PASSED_TYPE.fullmatch(given) else "application/octet-stream"

    def facts(self, body: dict[str, Any]) -> Facts:
        found = run_object(self._facts, body, {"dropped": {}})
        model, session, units = found.get("model"), found.get("session"), found.get("units")
        return Facts(
            model=model if type(model) is str else None,
            stream=found.get("stream") is True,
            session=session if type(session) is str and session else None,
            max_output_tokens=0,
            units=units if type(units) is int else 0,
        )

    def question(self, body: dict[str, Any]) -> None:
        return None


def _serves(format: Format, kind: ModelKind) -> bool:
    """Whether the format's clients can ask models of that kind."""
    if kind == "chat":
        return format.chats
    return kind in format.tasks and format.tasks[kind].serves


def _asks(format: Format, kind: ModelKind, *, by: Format | None = None) -> bool:
    """Whether models of that kind can be asked in the format, by clients of that one or of any."""
    if kind == "chat":
        return format.chats
    task = format.tasks.get(kind)
    if task is None or by is format:
        return task is not None and task.passes
    return task.asks and (by is None or by.tasks[kind].tells)


def _pair(client: Format, upstream: Format, kind: ModelKind) -> FormatPair:
    if kind == "chat":
        return FormatPair(client, upstream)
    if kind == "embedding":
        return EmbeddingPair(client, upstream, kind)
    return TaskPair(client, upstream, kind)
