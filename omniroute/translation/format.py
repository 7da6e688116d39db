"""One compiled table: its functions and constants, ready for every pair that it takes part in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast, get_args

from msgspec import Struct, structs

from omniroute.config.diagnostics import Diagnostic
from omniroute.config.model import ModelKind
from omniroute.errors import TranslationError
from omniroute.translation import runtime
from omniroute.translation.clients import client_problems, endpoints_of
from omniroute.translation.failures import KINDS
from omniroute.translation.fields import KnownFields, known_fields, names_in
from omniroute.translation.hub import present
from omniroute.translation.kinds import TASKS
from omniroute.translation.problem import Path, Problem
from omniroute.translation.program import Converter, Program
from omniroute.translation.table import Table, describe
from omniroute.translation.template import TemplateCompiler
from omniroute.translation.values import Endpoint
from omniroute.wire.framing import FRAMINGS, Framing

Frames = tuple[Converter, ...]
Sends = Literal["json", "parts", "file"]
_OBSERVED: Final = frozenset({"usage", "stop", "error", "end"})
_CONVERTERS: Final = (
    ("request", "decode"),
    ("request", "encode"),
    ("response", "decode"),
    ("response", "encode"),
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_ERRORS: Final = (("errors", "decode"), ("errors", "encode"))


class Unsupported(Struct, frozen=True, kw_only=True):
    """A hub field that a format cannot express, and what then happens."""

    field: str
    action: Literal["drop", "reject"]
    when: Converter | None

    @property
    def short(self) -> str:
        return self.field.rsplit(".", 1)[-1]


class Writers(Struct, frozen=True, kw_only=True):
    """The frames of a client's stream, by what happens."""

    parallel: bool
    start: Frames
    open: Mapping[str, Frames]
    delta: Mapping[str, Frames]
    close: Mapping[str, Frames]
    finish: Frames
    error: Frames
    ping: Frames


class Extra(Struct, frozen=True, kw_only=True):
    """What comes only because the gateway asked for it, hidden from a client that did not."""

    unless: Converter
    frame: Converter | None
    fields: tuple[str, ...]


class Then(Struct, frozen=True, kw_only=True):
    """Two more requests, by their paths: one that asks for the work, and one, again and again, for
    what came of it; `{id}` and the like are members of the answer before."""

    create: str
    poll: str
    encode: Converter
    """The body of the first, of the hub's request and the answer to the file."""
    until: Converter
    """Tells of an answer whether it is the last."""


class Task(Struct, frozen=True, kw_only=True):
    """How a format asks models of one kind that do not chat; its converters stand among the
    format's functions, below the name of the kind."""

    kind: ModelKind
    serves: bool
    """Its clients ask for that."""
    tells: bool
    """And what they ask can be said in other formats."""
    passes: bool
    """Its providers can be asked for that by its own clients."""
    asks: bool
    """And by those of other formats."""
    paths: Mapping[str, str]
    """By the member of a body that is there: the first that is, tells."""
    batch: str | None
    """The member that lists the inputs, where they may be sent in several requests."""
    most: int | None
    """Inputs that one request may have; None for no bound."""
    times: str | None
    """The member of the hub's request that says how often it is to be sent."""
    streams: bool
    """An answer may come in events, which pass to clients of the same format."""
    sends: Sends
    """How a provider is asked: by a JSON body, by parts with a file, or by the file alone, with the
    members of the body as the query."""
    then: Then | None
    """What is asked when the provider has taken the file."""
    raw: Converter | None
    """Tells of a request whether the answer to it is no JSON, and passes as it comes."""
    fields: KnownFields | None
    known_fields: frozenset[str] | None
    setters: Mapping[str, Converter]


class Format(Struct, frozen=True, kw_only=True):
    """Immutable; shared by all requests of a snapshot."""

    name: str
    table: Table
    chats: bool
    """Its models chat; else it has those of other kinds alone."""
    endpoints: tuple[Endpoint, ...]
    framing: Framing
    functions: Mapping[str, Converter]
    writers: Writers
    unsupported: tuple[Unsupported, ...]
    setters: Mapping[str, Converter]
    fields: KnownFields | None
    """What a client's body is held to; None for a table that does not say."""
    known_fields: frozenset[str] | None
    """Members of a client's body that the table reads; None when that cannot be told."""
    conversation: frozenset[str] | None
    """Members that hold the conversation; None when that cannot be told."""
    extra: Extra | None
    answers_need_hub: bool
    """The table looks at the hub's request while it translates an answer."""
    forgets: frozenset[str]
    """What clients of this format do not send back and is remembered for them."""
    named: bool
    """Frames carry their data's type as the event's name."""
    marker: bytes | None
    """Data of the frame that ends a stream."""
    tasks: Mapping[ModelKind, Task]
    """By kind, for those that the table has a section for."""
    ends_with_stop: bool
    """A stream that closes after a stop reason is complete, whatever else is missing."""

    def framing_for(self, chosen: str | None) -> Framing:
        """What a client chose for its stream, else the format's own."""
        return self.framing if chosen is None else FRAMINGS[chosen]

    def constants(self, *path: str) -> Mapping[str, Any]:
        return self.table.mapping(*path)

    def check(self, hub: dict[str, Any], ctx: runtime.Context) -> None:
        """Note what cannot be expressed; TranslationError where the meaning would change."""
        for row in self.unsupported:
            if present(hub, row.field) and (row.when is None or row.when(hub, ctx)):
                if row.action == "reject":
                    raise TranslationError(
                        f"{row.short} cannot be expressed in the format {self.name}",
                        param=row.short,
                    )
                runtime.drop(ctx, row.short)


def compile_table(table: Table) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Compile every template; None when there is anything to complain of."""
    writer = _Writer(table)
    writer.write()
    if writer.problems:
        return None, describe(table, writer.problems)
    return writer.compiler.program(f"<{table.file}>"), ()


class _Writer:
    def __init__(self, table: Table) -> None:
        self.table = table
        self.compiler = TemplateCompiler(
            maps=table.mapping("maps"), mappings=table.mapping("mappings")
        )
        self.compiler.collect_names(dict(table.sections))
        self.problems: list[Problem] = self.compiler.problems

    def add(self, path: Path, template: Any, name: str | None = None) -> None:
        self.compiler.add(name or _name(path), template, path)

    def write(self) -> None:
        table = self.table
        self.compiler.add_mappings(("mappings",))
        if _chats(table):
            self._write_chat()
        self._need(_ERRORS if _chats(table) or table.section("client") else _ERRORS[:1])
        for direction in ("encode", "decode") if table.section("count") is not None else ():
            self.add(("count", direction), table.section("count", direction) or {})
        if table.section("listing") is not None:
            self.add(("listing", "decode"), table.section("listing", "decode") or {})
        for kind in TASKS:
            self._write_task(kind)
        for field, template in table.mapping("set").items():
            self.add(("set", field), template)
        for field, rule in table.mapping("unsupported").items():
            self._write_unsupported(field, rule)
        self._write_frames()
        self._write_passthrough()
        for key in ("items", "output", "keep", "whole"):
            if (template := table.section("continuing", key)) is not None:
                self.add(("continuing", key), template)
        self._write_client()
        self._check_kinds()
        _, problems = known_fields(table.mapping("fields"))
        self.problems += problems
        for kind in TASKS:
            _, problems = known_fields(table.mapping(kind, "fields"))
            self.problems += [_under(kind, problem) for problem in problems]

    def _need(self, converters: Sequence[tuple[str, str]]) -> None:
        for section, direction in converters:
            template = self.table.section(section, direction)
            if template is None:
                message = f"{section} needs {direction}"
                self.problems.append(Problem(path=(section,), message=message))
            else:
                self.add((section, direction), template)

    def _write_chat(self) -> None:
        table = self.table
        self._need(_CONVERTERS)
        self.add(("response", "decode"), self._answer_facts(), "response.read")
        self.add(("request", "decode"), self._said(), "request.said")
        self.add(("facts",), table.section("facts") or {})
        self.add(("stream", "start"), table.section("stream", "start") or {})
        template = table.section("stream", "decode")
        if not isinstance(template, list):
            message = "stream.decode is a list of rows"
            self.problems.append(Problem(path=("stream", "decode"), message=message))
            template = []
        rows = cast(list[Any], template)
        self.add(("stream", "decode"), rows)
        # Rows that only build blocks cost nothing where the bytes pass through.
        watched = [row for row in rows if self._is_watched(row)]
        self.add(("stream", "decode"), watched, "stream.watch")

    def _answer_facts(self) -> dict[str, Any]:
        """The part of the response's decoder that reads usage, its tier and the stop reason."""
        return self._part(("response", "decode"), ("usage", "service_tier", "stop"))

    def _said(self) -> dict[str, Any]:
        """The part of the request's decoder that reads the conversation."""
        return self._part(("request", "decode"), ("system", "messages"))

    def _part(self, path: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
        template: Any = self.table.section(*path)
        wrap: list[dict[str, Any]] = []
        while isinstance(template, dict) and "$let" in template:
            members = cast(dict[str, Any], template)
            wrap.append(members)
            template = members.get("$in")
        members = cast(dict[str, Any], template) if isinstance(template, dict) else {}
        part: dict[str, Any] = {k: v for k, v in members.items() if k in names}
        for members in reversed(wrap):
            part = {"$let": members["$let"], "$in": part}
        return part

    def _is_watched(self, template: Any) -> bool:
        if isinstance(template, list):
            return any(self._is_watched(item) for item in cast(list[Any], template))
        if not isinstance(template, dict):
            return False
        members = cast(dict[str, Any], template)
        if not any(key.startswith("$") for key in members):
            return bool(_OBSERVED & members.keys())
        if "$use" in members:
            name = members["$use"]
            return isinstance(name, str) and self._is_watched(
                self.table.mapping("mappings").get(name)
            )
        return any(self._is_watched(value) for value in members.values())

    def _write_task(self, kind: ModelKind) -> None:
        table = self.table
        if table.section(kind) is None:
            return
        most = table.section(kind, "batch", "most")
        if most is not None and (type(most) is not int or most < 1):
            message = "most is a number of inputs"
            self.problems.append(Problem(path=(kind, "batch", "most"), message=message))
        self._write_then(kind)
        sends = table.section(kind, "sends")
        if sends not in (None, *get_args(Sends)):
            message = f"sends is one of {', '.join(get_args(Sends))}"
            self.problems.append(Problem(path=(kind, "sends"), message=message))
        self._write_sides(kind)
        answer = (kind, "response", "decode")
        self.add(answer, self._part(answer, ("usage",)), f"{kind}.response.read")
        self.add((kind, "facts"), table.section(kind, "facts") or {})
        for field, template in table.mapping(kind, "set").items():
            self.add((kind, "set", field), template)
        if (rows := table.section(kind, "stream", "decode")) is not None:
            self.add((kind, "stream", "decode"), rows)
        if (condition := table.section(kind, "raw")) is not None:
            self.add((kind, "raw"), {"$when": condition, "$then": {"$lit": True}})

    def _write_then(self, kind: ModelKind) -> None:
        table, create, poll = self.table, (kind, "then", "create"), (kind, "then", "poll")
        if table.section(kind, "then") is None:
            return
        for path, key in ((create, "path"), (poll, "path"), (poll, "until")):
            if not isinstance(table.section(*path, key), str):
                self.problems.append(Problem(path=path, message=f"{path[-1]} needs {key}"))
        self.add((*create, "encode"), table.section(*create, "encode") or {})
        until = table.section(*poll, "until") or "`true`"
        self.add((*poll, "until"), {"$when": until, "$then": {"$lit": True}})

    def _write_sides(self, kind: ModelKind) -> None:
        """What clients ask and get, what providers are asked and give; one of them may be all."""
        table = self.table
        for section, direction in _CONVERTERS:
            if (template := table.section(kind, section, direction)) is not None:
                self.add((kind, section, direction), template)
        needs: dict[tuple[str, str], tuple[str, str]] = {
            ("request", "decode"): ("response", "encode"),
            ("response", "encode"): ("request", "decode"),
            ("request", "encode"): ("response", "decode"),
        }
        for path, other in needs.items():
            if table.section(kind, *path) is not None and table.section(kind, *other) is None:
                message = f"{kind}.{other[0]} needs {other[1]}"
                self.problems.append(Problem(path=(kind, other[0]), message=message))
        paths = table.mapping(kind, "paths")
        if (table.section(kind, "response", "decode") is None) is bool(paths):
            message = f"{kind} needs paths, by the member of a body that tells which, and "
            message += "response.decode, where providers are asked"
            self.problems.append(Problem(path=(kind,), message=message))
        elif not paths and table.section(kind, "request", "decode") is None:
            message = f"{kind} says neither what clients ask nor how providers are asked"
            self.problems.append(Problem(path=(kind,), message=message))

    def _write_unsupported(self, field: str, rule: Any) -> None:
        path: Path = ("unsupported", field)
        if rule in ("drop", "reject"):
            return
        if isinstance(rule, dict) and len(cast(dict[str, Any], rule)) == 1:
            (action, condition) = next(iter(cast(dict[str, Any], rule).items()))
            if action in ("drop", "reject"):
                # A condition is a truth value, and null is no.
                self.add((*path, action), {"$when": condition, "$then": {"$lit": True}}, field)
                return
        message = "drop, reject, or one of them with the condition under which it happens"
        self.problems.append(Problem(path=path, message=message))

    def _write_frames(self) -> None:
        for key in ("start", "finish", "error", "ping"):
            self._write_list(("stream", "encode", key))
        for key in ("open", "delta", "close"):
            for kind in self.table.mapping("stream", "encode", key):
                self._write_list(("stream", "encode", key, kind))

    def _write_list(self, path: tuple[str, ...]) -> None:
        for number, template in enumerate(_templates(self.table, path)):
            self.add((*path, number), template)

    def _write_passthrough(self) -> None:
        for key in ("ask", "unsealed", "fit"):
            members = self.table.section("passthrough", key)
            if members is not None:
                self.add(("passthrough", key), members)
        extra = self.table.mapping("passthrough", "extra")
        for key in ("unless", "frame"):
            if key in extra:
                template = {"$when": extra[key], "$then": {"$lit": True}}
                self.add(("passthrough", "extra", key), template)

    def _write_client(self) -> None:
        for name, template in self.table.mapping("client", "answers").items():
            self.add(("client", "answers", name), template)
        for name, expressions in self.table.mapping("client", "bounds").items():
            for number, expression in enumerate(expressions):
                self.add(("client", "bounds", name, number), expression)
        for name in ("asks", "prepares", "error"):
            if (template := self.table.section("client", "socket", name)) is not None:
                self.add(("client", "socket", name), template)
        for section in ("compact", "count", "details"):
            if (template := self.table.section("client", section, "of")) is not None:
                self.add(("client", section, "of"), template)
        _, problems = endpoints_of(self.table)
        self.problems += [*problems, *client_problems(self.table)]

    def _check_kinds(self) -> None:
        for section in ("kinds", "messages"):
            for word, kind in self.table.mapping("errors", section).items():
                if not isinstance(kind, str) or kind not in KINDS:
                    self.problems.append(
                        Problem(
                            path=("errors", section, word),
                            message=f"{kind} is no kind of error",
                            hint=f"known are {', '.join(sorted(KINDS))}",
                        )
                    )


def make_format(table: Table, program: Program) -> Format:
    """A table, ready to be used, and its program."""
    functions = program.load()

    def frames(*path: str) -> Frames:
        return tuple(
            functions[_name((*path, number))] for number in range(len(_templates(table, path)))
        )

    def by_kind(key: str) -> dict[str, Frames]:
        kinds = table.mapping("stream", "encode", key)
        return {kind: frames("stream", "encode", key, kind) for kind in kinds}

    writers = Writers(
        parallel=table.section("stream", "encode", "order") == "parallel",
        start=frames("stream", "encode", "start"),
        open=by_kind("open"),
        delta=by_kind("delta"),
        close=by_kind("close"),
        finish=frames("stream", "encode", "finish"),
        error=frames("stream", "encode", "error"),
        ping=frames("stream", "encode", "ping"),
    )
    reads = program.root_reads("request.decode")
    known = reads | set(table.sections.get("known") or ())
    said = program.root_reads("request.said")
    answering = program.vars_of(n for n in functions if n.startswith(("response", "stream")))
    terminal = table.mapping("stream", "terminal")
    marker = terminal.get("data")
    return Format(
        name=table.name,
        table=table,
        chats=_chats(table),
        endpoints=endpoints_of(table)[0],
        framing=FRAMINGS[table.sections.get("framing", "sse")],
        functions=functions,
        writers=writers,
        unsupported=tuple(
            Unsupported(
                field=field,
                action="reject" if rule == "reject" or "reject" in rule else "drop",
                when=functions.get(field),
            )
            for field, rule in table.mapping("unsupported").items()
        ),
        setters={field: functions[f"set.{field}"] for field in table.mapping("set")},
        fields=known_fields(table.mapping("fields"), _mentioned(table))[0],
        known_fields=None if "@" in reads else frozenset(known),
        conversation=None if "@" in said else said,
        extra=_extra(table, functions),
        answers_need_hub="hub" in answering,
        forgets=frozenset(table.sections.get("forgets") or ()),
        named=table.section("framing") == "sse-named",
        marker=marker.encode() if isinstance(marker, str) else None,
        tasks={
            kind: _task(table, program, functions, kind) for kind in TASKS if table.mapping(kind)
        },
        ends_with_stop=bool(terminal.get("stop")),
    )


def _chats(table: Table) -> bool:
    return table.section("paths") is not None


def _task(
    table: Table, program: Program, functions: Mapping[str, Converter], kind: ModelKind
) -> Task:
    tells = f"{kind}.request.decode" in functions
    passes = f"{kind}.response.decode" in functions
    reads = program.root_reads(f"{kind}.request.decode") if tells else frozenset[str]()
    known = reads | set(table.section(kind, "known") or ())
    return Task(
        kind=kind,
        serves=any(one.kind == kind for one in endpoints_of(table)[0]),
        tells=tells,
        passes=passes,
        asks=f"{kind}.request.encode" in functions,
        paths=table.mapping(kind, "paths"),
        batch=table.section(kind, "batch", "member"),
        most=table.section(kind, "batch", "most"),
        times=table.section(kind, "batch", "times"),
        streams=table.section(kind, "stream") is not None,
        sends=table.section(kind, "sends") or "json",
        then=_then(table, functions, kind),
        raw=functions.get(f"{kind}.raw"),
        fields=known_fields(table.mapping(kind, "fields"))[0],
        known_fields=None if "@" in reads or not tells else frozenset(known),
        setters={field: functions[f"{kind}.set.{field}"] for field in table.mapping(kind, "set")},
    )


def _mentioned(table: Table) -> frozenset[str]:
    """Names that a chat's request is read by, wherever in it they stand."""
    known: list[str] = table.sections.get("known") or []
    names = names_in([table.section("request", "decode"), table.mapping("mappings"), known])
    # Where clients may write a name either way, the table has one of them.
    return names | {_CAMEL.sub(r"_\1", name).lower() for name in names}


def _then(table: Table, functions: Mapping[str, Converter], kind: ModelKind) -> Then | None:
    if not table.mapping(kind, "then"):
        return None
    return Then(
        create=table.section(kind, "then", "create", "path"),
        poll=table.section(kind, "then", "poll", "path"),
        encode=functions[f"{kind}.then.create.encode"],
        until=functions[f"{kind}.then.poll.until"],
    )


def _extra(table: Table, functions: Mapping[str, Converter]) -> Extra | None:
    extra = table.mapping("passthrough", "extra")
    if not extra:
        return None
    return Extra(
        unless=functions["passthrough.extra.unless"],
        frame=functions.get("passthrough.extra.frame"),
        fields=tuple(extra.get("fields") or ()),
    )


def _name(path: Path) -> str:
    """The function of the template at `path`."""
    return ".".join(str(step) for step in path)


def _templates(table: Table, path: tuple[str, ...]) -> list[Any]:
    """The frames at `path`: one, or a list of them."""
    template = table.section(*path)
    if template is None:
        return []
    return cast(list[Any], template) if isinstance(template, list) else [template]


def _under(section: str, problem: Problem) -> Problem:
    """The same problem, of a part of the table that stands inside a section."""
    return structs.replace(problem, path=(section, *problem.path))
