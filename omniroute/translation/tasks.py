"""Requests that are no chats, between any two formats, as the tables' section of their kind says.

The hub of such a request and of its answer are what the tables of that kind agree on; the engine
looks at what `kinds.TASKS` names, `model` and `usage`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson
from msgspec.structs import replace

from omniroute.base.dots import has_dot_segment
from omniroute.config.model import ModelKind
from omniroute.errors import TranslationError, UpstreamCutError, UpstreamReportedError
from omniroute.translation import hub
from omniroute.translation.form import fields_of, in_parts
from omniroute.translation.format import Format, Task
from omniroute.translation.kinds import TASKS
from omniroute.translation.naming import path_with
from omniroute.translation.pair import (
    FormatPair,
    context,
    drop_unknown,
    fixed_headers,
    left_of,
    render,
    run,
    run_object,
)
from omniroute.translation.passthrough import PassedStream
from omniroute.translation.raw import RawStream, is_refusal
from omniroute.translation.runtime import Context, drop
from omniroute.translation.shape import is_array, is_object
from omniroute.translation.values import Destination, Onward, Outbound, Reply, Stream, Usage

JSON: Final = "application/json"
PLAIN: Final = "text/plain; charset=utf-8"
POLL_S: Final = 3.0
"""As often as providers ask to be asked; sooner in the beginning, for what does not take long."""
FIRST_POLL_S: Final = 0.1
_COUNTS: Final = ("input_uncached", "cache_read", "cache_write", "output", "reasoning", "units")


class TaskPair(FormatPair):
    """A client's format in front of a provider's, for requests of one kind."""

    def __init__(self, client: Format, upstream: Format, kind: ModelKind) -> None:
        super().__init__(client, upstream)
        self._kind: ModelKind = kind
        self._is = TASKS[kind]
        self._task = upstream.tasks[kind]
        self._setters = self._task.setters
        self._known = client.tasks[kind].known_fields
        self._headers = fixed_headers(upstream)
        self.goes_on = self._task.then is not None
        self._passing = _in_events(upstream, kind) if self._task.streams else None

    def request(self, body: dict[str, Any], raw: bytes, target: Destination) -> Outbound:
        ctx = context(target, body)
        if target.stream and not (self._is_raw(ctx) or (self.passthrough and self._task.streams)):
            message = "only a provider of the client's own format answers this in pieces"
            raise TranslationError(message, param="stream")
        asked: dict[str, Any] = {} if self.passthrough else self._hub(ctx, target)
        sent = (
            self._with_changes(body, target, ctx)
            if self.passthrough
            else encoded(self._upstream, self._kind, asked, ctx)
        )
        if target.without or target.renamed:
            sent = left_of(sent, target, (), ctx)
        if self._task.sends != "json":
            return self._with_file(sent, ctx, target)
        *earlier, last = self._parts(sent, asked, target)
        return Outbound(
            path=path_with(path_of(self._task, sent), target.model),
            headers=self._headers,
            body=raw if raw and last == body else render(last),
            earlier=tuple(map(render, earlier)),
            dropped=tuple(ctx["dropped"]),
        )

    def _with_file(self, sent: dict[str, Any], ctx: Context, target: Destination) -> Outbound:
        """A request whose file comes behind its fields, or is all of its body."""
        file = hub.need_object(ctx["request"].get("file"), "file")
        path, fields = (
            path_with(path_of(self._task, {"file": file, **sent}), target.model),
            fields_of(sent),
        )
        if self._task.sends == "parts":
            boundary = f"omniroute-{target.seed}"
            content_type, query = f"multipart/form-data; boundary={boundary}", ()
            before, after = in_parts(fields, boundary, ending=file["ending"], type=file["type"])
        else:
            own = self._upstream.table.mapping("headers").get("content-type")
            content_type, query, before, after = own or file["type"], tuple(fields), b"", b""
        return Outbound(
            path=path,
            query=query,
            headers=(
                *(one for one in self._headers if one[0] != "content-type"),
                ("content-type", content_type),
            ),
            body=before,
            tail=after,
            dropped=tuple(ctx["dropped"]),
        )

    def onward(
        self, body: bytes, request: dict[str, Any], target: Destination, *, step: int
    ) -> Onward | None:
        then = self._task.then
        if then is None:
            return None
        ctx = context(target, request)
        answer = self._read(body, ctx) if step == 0 else object_in(body)
        if step > 0:
            if run(then.until, answer, ctx) is True:
                return None
            headers = tuple(one for one in self._headers if one[0] != "content-type")
            path = _filled(then.poll, answer)
            wait_s = min(POLL_S, FIRST_POLL_S * 2 ** (step - 1))
            return Onward(
                outbound=Outbound(method="GET", path=path, headers=headers, body=b""),
                wait_s=wait_s,
            )
        created = run_object(then.encode, {**self._hub(ctx, target), **answer}, ctx)
        if target.without or target.renamed:
            created = left_of(created, target, (), ctx)
        headers = tuple({**dict(self._headers), "content-type": JSON}.items())
        path = _filled(then.create, answer)
        return Onward(outbound=Outbound(path=path, headers=headers, body=render(created)), wait_s=0)

    def reply(
        self,
        body: bytes,
        request: dict[str, Any],
        target: Destination,
        *,
        earlier: Sequence[bytes] = (),
    ) -> Reply:
        ctx = context(target, request)
        is_raw = self._is_raw(ctx)
        if is_raw and self.passthrough and not is_refusal(body):
            return Reply(body=body, usage=self._unread(ctx), stop=None, content_type=PLAIN)
        answers = [self._read(part, ctx) for part in (*earlier, body)]
        try:
            if self.passthrough and len(answers) == 1 and not is_raw:
                counts = self._upstream.functions[f"{self._kind}.response.read"]
                usage = self._usage(run_object(counts, answers[0], ctx))
                return Reply(body=body, usage=usage, stop=None)
            read = [decoded(self._upstream, self._kind, answer, ctx) for answer in answers]
            return self._told(read, ctx)
        except TranslationError as error:
            message = f"the upstream's answer cannot be read: {error.message}"
            raise UpstreamCutError(message) from error

    def stream(
        self, request: dict[str, Any], target: Destination, *, ahead: bool = False
    ) -> Stream:
        ctx = context(target, request)
        if self._is_raw(ctx):
            return RawStream(self._unread(ctx))
        if self._passing is None:
            raise TranslationError("nothing of this kind comes in pieces", param="stream")
        return PassedStream(self._passing, ctx)

    def is_whole(self, first: bytes) -> bool:
        return self._task.raw is not None and is_refusal(first)

    def retell(
        self, body: bytes, request: dict[str, Any], target: Destination
    ) -> tuple[Stream, bytes]:
        if is_refusal(body):
            return self._not_streamed(body, request, target)
        stream = self.stream(request, target)
        return stream, stream.feed(body) + stream.finish()

    def _not_streamed(
        self, body: bytes, request: dict[str, Any], target: Destination
    ) -> tuple[Stream, bytes]:
        """A whole answer, as servers give it that do not know of streams; it passes as one."""
        ctx = context(target, request)
        answer = self._read(body, ctx)  # a page is none
        read = decoded(self._upstream, self._kind, answer, ctx)
        if self._is.lists or self._is.gives not in read:
            raise UpstreamReportedError("the upstream's answer is an error")
        stream = RawStream(self._usage(read))
        return stream, stream.feed(body) + stream.finish()

    def _is_raw(self, ctx: Context) -> bool:
        raw = self._task.raw
        return raw is not None and run(raw, ctx["request"], ctx) is True

    def _unread(self, ctx: Context) -> Usage:
        """What the request alone tells of the use of an answer that nobody reads."""
        return self._usage(decoded(self._upstream, self._kind, {}, ctx))

    def _parts(
        self, sent: dict[str, Any], asked: dict[str, Any], target: Destination
    ) -> list[dict[str, Any]]:
        """The body, as often as it takes where one request gives one thing alone."""
        times = asked.get(self._task.times) if self._task.times is not None else None
        if type(times) is not int:
            return [sent]
        if self._task.most is not None and times > self._task.most:
            message = f"{self._task.times} is at most {self._task.most} at this provider"
            raise TranslationError(message, param=self._task.times)
        return [sent] * max(1, times)

    def _read(self, body: bytes, ctx: Context) -> dict[str, Any]:
        """One answer. Raises UpstreamCutError, UpstreamReportedError for the words of an error."""
        answer = object_in(body)
        if self._tells_of_failure(answer):
            found = decoded(self._upstream, self._kind, answer, ctx)
            if not found.get(self._is.gives):
                raise UpstreamReportedError("the upstream's answer is an error")
        return answer

    def _told(self, answers: list[dict[str, Any]], ctx: Context) -> Reply:
        """The answers to all parts as one, in the client's format."""
        given = self._given(answers, ctx)
        usage = _sum([self._usage(answer) for answer in answers])
        response: dict[str, Any] = {
            **answers[0],
            "model": answers[0].get("model") or ctx["model"],
            self._is.gives: given,
            "usage": hub.usage_object(usage),
        }
        told = run(self._client.functions[f"{self._kind}.response.encode"], response, ctx)
        is_text = type(told) is str
        return Reply(
            body=told.encode() if is_text else render(told),
            usage=usage,
            stop=None,
            dropped=tuple(ctx["dropped"]),
            content_type=PLAIN if is_text else JSON,
        )

    def _given(self, answers: Sequence[dict[str, Any]], ctx: Context) -> Any:
        """What was asked for, of all parts. Raises UpstreamCutError where nothing is there."""
        if not self._is.lists:
            text = answers[0].get(self._is.gives)
            if type(text) is not str:
                raise UpstreamCutError(f"the upstream's answer holds no {self._is.gives}")
            return text
        found: list[Any] = []
        for answer in answers:
            items = answer.get(self._is.gives)
            if not is_array(items) or not items:
                raise UpstreamCutError(f"the upstream's answer holds no {self._is.gives}")
            found += items
        return found

    def _usage(self, answer: dict[str, Any]) -> Usage:
        return hub.usage_of(answer.get("usage"))

    def _hub(self, ctx: Context, target: Destination) -> dict[str, Any]:
        body: dict[str, Any] = ctx["request"]
        decode = self._client.functions[f"{self._kind}.request.decode"]
        asked = hub.need_object(run(decode, body, ctx), "the body")
        asked["model"] = ctx["model"]
        drop_unknown(self._known, body, ctx)
        if not asked.get(self._is.needs):
            raise TranslationError(self._is.nothing)
        for name, value in target.set_fields.items():
            field = hub.hub_field(name)
            if field in self._setters:
                hub.set_field(asked, field, value)
            elif value is not None:
                drop(ctx, field)
        return asked


def encoded(format: Format, kind: ModelKind, asked: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """A request of the hub as the format's providers get it."""
    return run_object(format.functions[f"{kind}.request.encode"], asked, ctx)


def decoded(
    format: Format, kind: ModelKind, answer: dict[str, Any], ctx: Context
) -> dict[str, Any]:
    """An answer of the format's providers in the hub."""
    return run_object(format.functions[f"{kind}.response.decode"], answer, ctx)


def path_of(task: Task, body: dict[str, Any]) -> str:
    """Where such a body goes. Raises TranslationError for one that goes nowhere."""
    for member, path in task.paths.items():
        if body.get(member) is not None:
            return path
    raise TranslationError(TASKS[task.kind].nothing)


def _filled(path: str, answer: dict[str, Any]) -> str:
    """A path with members of an answer in it. Raises UpstreamCutError where one is not there."""

    def member(found: re.Match[str]) -> str:
        value = answer.get(found[1])
        if type(value) is not str or not value or has_dot_segment(value):
            raise UpstreamCutError(f"the upstream's answer has no {found[1]}")
        return quote(value, safe="")

    return re.sub(r"\{(\w+)\}", member, path)


def object_in(body: bytes) -> dict[str, Any]:
    """Raises UpstreamCutError."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UpstreamCutError("the upstream's answer is not JSON") from error
    if not is_object(answer):
        raise UpstreamCutError("the upstream's answer is not a JSON object")
    return answer


def _in_events(format: Format, kind: ModelKind) -> Format:
    """The format as its streams of one kind are read."""
    rows = format.functions[f"{kind}.stream.decode"]
    return replace(
        format,
        functions={**format.functions, "stream.decode": rows, "stream.watch": rows},
        extra=None,
        marker=None,
        ends_with_stop=True,
    )


def _sum(usages: Sequence[Usage]) -> Usage:
    """Of all parts, in counts; unknown as soon as one did not say."""
    sums: dict[str, int | None] = {}
    for name in _COUNTS:
        counts: list[int | None] = [getattr(usage, name) for usage in usages]
        known = [count for count in counts if count is not None]
        sums[name] = sum(known) if len(known) == len(counts) else None
    return replace(Usage(), **sums)
