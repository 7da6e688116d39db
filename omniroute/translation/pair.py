"""A client's format in front of a provider's: requests, whole answers, streams and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson
from msgspec import Struct

from omniroute.base.bigjson import read_json, write_json
from omniroute.errors import (
    ExpressionError,
    TranslationError,
    UpstreamCutError,
    UpstreamReportedError,
)
from omniroute.translation import hub
from omniroute.translation.conversation import fit_calls, pair_results
from omniroute.translation.failures import StreamFailedError, classify, parse_retry_after
from omniroute.translation.format import Format
from omniroute.translation.functions import SEAL_MARK
from omniroute.translation.naming import path_with
from omniroute.translation.passthrough import PassedStream
from omniroute.translation.program import Converter
from omniroute.translation.runtime import Context, drop, hub_of, new_id
from omniroute.translation.said import said_in_blocks
from omniroute.translation.shape import is_array, is_object
from omniroute.translation.stream import TranslatedStream
from omniroute.translation.values import (
    Destination,
    Failure,
    Onward,
    Outbound,
    Reply,
    Stream,
    Usage,
)
from omniroute.wire.arrived import events_of, first_byte

_PLAIN: Final[Mapping[str, tuple[Any, ...]]] = {"n": (None, 1), "logprobs": (None, False)}
"""Values of sampling fields under which an answer can be told in the other delivery: what lies
between has the first choice alone, and no likelihoods."""


def context(target: Destination, request: dict[str, Any]) -> Context:
    """The surroundings of one conversion, by the names that `var()` reads."""
    return {
        "provider": target.provider,
        "model": target.model,
        "stream": target.stream,
        "framing": target.framing,
        "capabilities": target.capabilities,
        "quirks": target.quirks,
        "context_window": target.context_window,
        "max_output_tokens": target.max_output_tokens,
        "recalled": target.recalled,
        "now_s": target.now_s,
        "seed": target.seed,
        "request": request,
        "dropped": {},
    }


def run(convert: Converter, node: Any, ctx: Context) -> Any:
    """Run generated code on a client's body; only TranslationError comes out."""
    try:
        return convert(node, ctx)
    except ExpressionError as error:
        raise TranslationError(error.message) from error
    except RecursionError:
        raise TranslationError("the body is nested too deeply") from None


def run_object(convert: Converter, node: Any, ctx: Context) -> dict[str, Any]:
    """The same for what is an object or nothing."""
    result = run(convert, node, ctx)
    return result if is_object(result) else {}


def render(body: Any) -> bytes:
    try:
        return write_json(body)
    except TypeError as error:
        raise TranslationError("the body cannot be written as JSON") from error


class Way(Struct, frozen=True, kw_only=True):
    """Where a format's requests go, and with what."""

    path: str
    """With `{model}` where the model's name belongs."""
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]


def fixed_headers(upstream: Format) -> tuple[tuple[str, str], ...]:
    """What every request of a format carries."""
    headers = {"content-type": "application/json", **upstream.table.mapping("headers")}
    return tuple((name, str(value)) for name, value in headers.items())


def _way(upstream: Format, *, stream: bool) -> Way:
    table = upstream.table
    paths = table.mapping("paths")
    query = table.mapping("query", "stream" if stream else "chat")
    return Way(
        path=paths.get("stream", paths["chat"]) if stream else paths["chat"],
        headers=fixed_headers(upstream),
        query=tuple((name, str(value)) for name, value in query.items()),
    )


class FormatPair:
    """Holds no state of requests; shared by all of a snapshot."""

    def __init__(self, client: Format, upstream: Format) -> None:
        self._client = client
        self._upstream = upstream
        self.format = client.name
        self.passthrough = client.table is upstream.table
        forwards: list[str] = client.table.section("forwards") or []
        self.forwards = tuple(forwards) if self.passthrough else ()
        returns: list[str] = client.table.section("passthrough", "returns") or []
        self.returns = tuple(returns) if self.passthrough else ()
        self.errors_pass = (
            self.passthrough and client.table.section("passthrough", "errors") is True
        )
        self.goes_on = False
        self._note: str | None = client.table.section("continuing", "note")
        self._setters = upstream.setters
        ways = (False, True) if upstream.chats else ()
        self._ways = {stream: _way(upstream, stream=stream) for stream in ways}
        self._asks = tuple(upstream.table.mapping("passthrough", "ask"))
        own = upstream.framing.encoder().encode(b"{}")[:1]
        self._foreign = frozenset((b"{", b"[")) - {own}

    def request(self, body: dict[str, Any], raw: bytes, target: Destination) -> Outbound:
        ctx = context(target, body)
        sent: dict[str, Any] = (
            self._passed(body, raw, target, ctx)
            if self.passthrough
            else run(self._upstream.functions["request.encode"], self._hub(ctx, target), ctx)
        )
        added = self._added(sent, body) if target.stream else ()
        if target.without or target.renamed:
            sent = left_of(sent, target, added, ctx)
            added = tuple(name for name in added if name in sent)
        way = self._ways[target.stream]
        return Outbound(
            path=path_with(way.path, target.model),
            headers=way.headers,
            body=raw if raw and self.passthrough and sent == body else render(sent),
            query=way.query,
            dropped=tuple(ctx["dropped"]),
            added=added,
        )

    def reply(
        self,
        body: bytes,
        request: dict[str, Any],
        target: Destination,
        *,
        earlier: Sequence[bytes] = (),
    ) -> Reply:
        ctx = context(target, request)
        answer = _object_in(body)
        try:
            if answer is None:
                return self._folded(body, ctx, target)
            if self._is_failure(answer, request, target):
                raise UpstreamReportedError("the upstream's answer is an error")
            if self.passthrough:
                facts = run_object(self._upstream.functions["response.read"], answer, ctx)
                stop = facts.get("stop")
                usage = hub.usage_of(facts.get("usage"), tier=facts.get("service_tier"))
                estimate = None
                if usage.output is None:
                    self._add_hub(ctx, target)
                    decoded = run_object(self._upstream.functions["response.decode"], answer, ctx)
                    estimate = said_in_blocks(decoded.get("blocks") or ())
                return Reply(
                    body=body,
                    usage=usage,
                    stop=stop if type(stop) is str else None,
                    estimate=estimate,
                )
            return self._translated(answer, ctx, target)
        except TranslationError as error:
            raise _unreadable(error) from error

    def onward(
        self, body: bytes, request: dict[str, Any], target: Destination, *, step: int
    ) -> Onward | None:
        return None

    def stream(
        self, request: dict[str, Any], target: Destination, *, ahead: bool = False
    ) -> Stream:
        ctx = context(target, request)
        if self.passthrough:
            return PassedStream(self._client, ctx)
        self._add_hub(ctx, target)
        if ahead:
            hub_of(ctx)
        return TranslatedStream(self._client, self._upstream, ctx)

    def is_whole(self, first: bytes) -> bool:
        return first_byte(first) in self._foreign

    def retell(
        self, body: bytes, request: dict[str, Any], target: Destination
    ) -> tuple[Stream, bytes]:
        answer = _object_in(body)
        if answer is None:
            stream = self.stream(request, target)
            return stream, self._fed(stream, body)
        if self._is_failure(answer, request, target):
            raise UpstreamReportedError("the upstream's answer is an error")
        ctx = context(target, request)
        self._add_hub(ctx, target)
        try:
            response, usage = self._heard(answer, ctx)
            self._name_lost(response, ctx)
            stream = TranslatedStream(self._client, self._upstream, ctx)
            stream.usage = usage
            told = stream.replay(response)
        except TranslationError as error:
            raise _unreadable(error) from error
        stream.done = True
        return stream, told

    def replay(self, body: bytes, request: dict[str, Any], target: Destination) -> bytes:
        ctx = self._retold(request, target)
        try:
            answer = read_json(body)
        except orjson.JSONDecodeError as error:
            raise TranslationError("the kept answer is not JSON") from error
        response = run_object(self._client.functions["response.decode"], answer, ctx)
        response["blocks"] = [block for block in response.get("blocks") or () if is_object(block)]
        response["stop"] = hub.settle_stop(response.get("stop"), response["blocks"]) or "end_turn"
        _need_unsigned(response)
        return TranslatedStream(self._client, self._client, ctx).replay(response)

    def fold(self, data: bytes, request: dict[str, Any], target: Destination) -> bytes:
        ctx = self._retold(request, target)
        stream = TranslatedStream(self._client, self._client, ctx)
        stream.feed(data)
        stream.finish()
        if stream.failure is not None:
            raise TranslationError("the kept stream ends with a failure")
        response = stream.folded()
        response.setdefault("stop", "end_turn")
        _need_unsigned(response)
        ctx["response"] = response
        return render(run(self._client.functions["response.encode"], response, ctx))

    def _retold(self, request: dict[str, Any], target: Destination) -> Context:
        """Raises TranslationError where an answer in the other delivery would lose something."""
        ctx = context(target, request)
        ctx["hub"] = asked = self._hub({**ctx, "dropped": {}}, target)
        if _lost_of(asked):
            raise TranslationError("this answer can only be given as it came")
        return ctx

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        upstream = self._upstream
        said: Any = None
        try:
            node = read_json(body)
            said = run(upstream.functions["errors.decode"], node, {"dropped": {}})
        except (orjson.JSONDecodeError, TranslationError):
            pass
        if not is_object(said):
            said = {"message": body.decode(errors="replace").strip()}
        return classify(
            said,
            status=status,
            kinds=upstream.constants("errors", "kinds"),
            messages=upstream.constants("errors", "messages"),
            retry_after_s=parse_retry_after(headers),
        )

    def _is_failure(self, answer: Any, request: dict[str, Any], target: Destination) -> bool:
        """The words of an error where an answer should be, under a status that tells of none."""
        if not self._tells_of_failure(answer):
            return False
        decode = self._upstream.functions["response.decode"]
        try:
            decoded = run_object(decode, answer, context(target, request))
        except TranslationError:
            return True  # an answer that says why it broke off
        used = hub.usage_object(hub.usage_of(decoded.get("usage")))
        return not (decoded.get("blocks") or any(used.values()))

    def _tells_of_failure(self, answer: dict[str, Any]) -> bool:
        """There are words of an error in it, whatever else there is."""
        try:
            said = run_object(self._upstream.functions["errors.decode"], answer, {"dropped": {}})
        except TranslationError:
            return False
        return any(type(said.get(name)) is str for name in ("message", "code", "type"))

    def _added(self, sent: dict[str, Any], body: dict[str, Any]) -> tuple[str, ...]:
        """What is asked for by nobody but the gateway."""
        theirs = body if self.passthrough else ()
        return tuple(name for name in self._asks if name in sent and name not in theirs)

    def _passed(
        self, body: dict[str, Any], raw: bytes, target: Destination, ctx: Context
    ) -> dict[str, Any]:
        """The client's own body with what the target changes put in its places."""
        upstream = self._upstream
        asked_stream = target.asked_stream
        if asked_stream is None:
            facts = run_object(upstream.functions["facts"], body, ctx)
            asked_stream = facts.get("stream") is True
        more = {} if asked_stream is target.stream else {"stream": target.stream}
        changed = self._with_changes(body, target, ctx, more)
        if self._note is not None:
            changed.pop(self._note, None)  # the gateway's own, and no provider's
        if target.stream and "passthrough.ask" in upstream.functions:
            changed.update(run_object(upstream.functions["passthrough.ask"], changed, ctx))
        if "passthrough.unsealed" in upstream.functions:
            changed = self._unsealed(changed, raw, ctx)
        if target.quirks and "passthrough.fit" in upstream.functions:
            changed = self._written("fit", changed, ctx)
        return changed

    def _with_changes(
        self, body: dict[str, Any], target: Destination, ctx: Context, more: Mapping[str, Any] = {}
    ) -> dict[str, Any]:
        """A copy with the target's model, what policies set, and `more`."""
        changes = {hub.hub_field(name): value for name, value in target.set_fields.items()}
        changes |= {"model": target.model, **more}
        changed = dict(body)
        for field in sorted(changes, key=_turn):
            self._set(changed, field, changes[field], ctx)
        return changed

    def _unsealed(self, body: dict[str, Any], raw: bytes, ctx: Context) -> dict[str, Any]:
        """Without the thoughts of other providers, whose signatures this one would refuse."""
        if SEAL_MARK not in (raw or render(body)):
            return body
        return self._written("unsealed", body, ctx)

    def _written(self, key: str, body: dict[str, Any], ctx: Context) -> dict[str, Any]:
        """A body with the members that a part of `passthrough` makes."""
        written = run_object(self._upstream.functions[f"passthrough.{key}"], body, ctx)
        gone = {name for name, part in written.items() if part is None}
        return {name: part for name, part in {**body, **written}.items() if name not in gone}

    def _set(self, body: dict[str, Any], field: str, value: Any, ctx: Context) -> None:
        """Write a hub field where this format keeps it; the longest row that matches says where."""
        name, rest = field, list[str]()
        while name not in self._setters:
            name, _, last = name.rpartition(".")
            if not name:
                if value is not None:
                    drop(ctx, field)
                return
            rest.insert(0, last)
        for step in reversed(rest):
            value = {step: value}
        node = {"value": value, "body": body}
        _overlay(body, run_object(self._setters[name], node, ctx))

    def _add_hub(self, ctx: Context, target: Destination) -> None:
        if self._upstream.answers_need_hub or self._client.answers_need_hub:
            known = dict(ctx)  # a copy: the body is not to be held by a cycle
            ctx["decode_hub"] = lambda: self._hub({**known, "dropped": {}}, target)

    def _hub(self, ctx: Context, target: Destination) -> dict[str, Any]:
        """The client's body in the hub, with all that the target changes."""
        client = self._client
        body: dict[str, Any] = ctx["request"]
        decoded = hub.need_object(run(client.functions["request.decode"], body, ctx), "the body")
        decoded["model"] = ctx["model"]
        if client.fields is None:
            drop_unknown(client.known_fields, body, ctx)
        else:
            for path in client.fields.unread(body, known=client.known_fields):
                drop(ctx, path)
        if not decoded.get("messages"):
            raise TranslationError("the request holds no messages")
        for name, value in target.set_fields.items():
            hub.set_field(decoded, hub.hub_field(name), value)
        hub.whole_numbers(decoded)
        hub.bound_output(decoded, target.max_output_tokens)
        if ctx["recalled"]:
            hub.recall(decoded, ctx["recalled"], self._upstream.name)
        decoded["messages"], repeated = pair_results(decoded["messages"])
        if repeated:
            drop(ctx, "tool_result")
        call_ids = target.quirks.get("call_ids")
        if call_ids is not None:
            decoded["messages"] = fit_calls(decoded["messages"], call_ids)
        self._upstream.check(decoded, ctx)
        return decoded

    def _folded(self, body: bytes, ctx: Context, target: Destination) -> Reply:
        """A stream that came for a whole answer."""
        self._add_hub(ctx, target)
        stream = TranslatedStream(self._client, self._upstream, ctx)
        self._fed(stream, body)
        response = stream.folded()
        self._name_lost(response, ctx)
        ctx["response"] = response
        counted = stream.usage.output is not None
        return Reply(
            body=render(run(self._client.functions["response.encode"], response, ctx)),
            usage=stream.usage,
            stop=stream.stop,
            dropped=tuple(ctx["dropped"]),
            remember=stream.remember,
            estimate=None if counted else stream.estimate(),
        )

    def _fed(self, stream: Stream, body: bytes) -> bytes:
        """What a stream makes of a body that holds all its events, in whatever framing."""
        encoder = self._upstream.framing.encoder()
        events = [encoder.encode(event.data, event.event) for event in events_of(body)]
        told = stream.feed(b"".join(events)) + stream.finish()
        if stream.failure is not None:
            raise StreamFailedError(stream.failure)
        return told

    def _name_lost(self, response: dict[str, Any], ctx: Context) -> None:
        """What the client's own format has and the hub between two deliveries has not."""
        if not self.passthrough:
            return
        with suppress(TranslationError):  # a body that only its own format understands
            decode = self._client.functions["request.decode"]
            for name in _lost_of(run_object(decode, ctx["request"], {**ctx, "dropped": {}})):
                drop(ctx, name)
        if _is_signed(response):
            drop(ctx, "signature")

    def _translated(self, answer: dict[str, Any], ctx: Context, target: Destination) -> Reply:
        upstream, client = self._upstream, self._client
        self._add_hub(ctx, target)
        response, usage = self._heard(answer, ctx)
        ctx["response"] = response
        body = render(run(client.functions["response.encode"], response, ctx))
        return Reply(
            body=body,
            usage=usage,
            stop=response["stop"],
            dropped=tuple(ctx["dropped"]),
            remember=hub.remember(response, upstream.name, client.forgets),
            estimate=said_in_blocks(response["blocks"]) if usage.output is None else None,
        )

    def _heard(self, answer: dict[str, Any], ctx: Context) -> tuple[dict[str, Any], Usage]:
        """A whole answer in the hub, and what it cost."""
        decoded: Any = run(self._upstream.functions["response.decode"], answer, ctx)
        if not is_object(decoded) or not (decoded.get("blocks") or decoded.get("stop")):
            raise UpstreamCutError("the upstream's answer holds no message")
        response = decoded
        response["blocks"] = _with_ids(response.get("blocks") or [], ctx)
        response["stop"] = hub.settle_stop(response.get("stop"), response["blocks"]) or "end_turn"
        response.setdefault("model", ctx["model"])
        usage = hub.usage_of(response.pop("usage", None), tier=response.get("service_tier"))
        counts = hub.usage_object(usage)
        if counts:
            response["usage"] = counts
        return response, usage


def _object_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object that an answer is; None for what may be a stream."""
    try:
        answer = read_json(body)
    except orjson.JSONDecodeError:
        return None
    return answer if is_object(answer) else None


def _unreadable(error: TranslationError) -> UpstreamCutError:
    return UpstreamCutError(f"the upstream's answer cannot be read: {error.message}")


def left_of(
    sent: dict[str, Any], target: Destination, added: Sequence[str], ctx: Context
) -> dict[str, Any]:
    """A body by the names that the provider has, without what it does not bear; what a client
    said of that is noted."""
    for name in sorted(target.without & sent.keys() - set(added)):
        drop(ctx, name)
    left = {name: value for name, value in sent.items() if name not in target.without}
    for path in sorted(path for path in target.without if "[]." in path):
        members, _, name = path.partition("[].")
        items = left.get(members)
        if is_array(items) and any(is_object(item) and name in item for item in items):
            drop(ctx, path)
            left[members] = [_without(item, name) for item in items]
    for name, theirs in target.renamed.items():
        if name in left:
            left[theirs] = left.pop(name)
    return left


def _without(item: Any, name: str) -> Any:
    return {key: item[key] for key in item if key != name} if is_object(item) else item


def drop_unknown(known: frozenset[str] | None, body: dict[str, Any], ctx: Context) -> None:
    """Note the members that no row reads; of None nothing is known."""
    if known is None:
        return
    for name, value in body.items():
        if name not in known and value is not None:
            drop(ctx, name)


def _with_ids(blocks: list[Any], ctx: Context) -> list[Any]:
    """An answer's blocks in which every call can be answered; one without a name is none."""
    kept: list[Any] = []
    for block in blocks:
        if is_object(block) and block.get("type") == "tool_use":
            if not block.get("name"):
                drop(ctx, "tool_use")
                continue
            if not block.get("id") or type(block["id"]) is not str:
                block["id"] = new_id(ctx, "call_")
        kept.append(block)
    return kept


def _turn(field: str) -> int:
    """Limits first, as thinking has to fit below them; sampling last, as thinking may forbid it."""
    group = field.partition(".")[0]
    return 0 if group == "output" else 2 if group == "sampling" else 1


def _overlay(body: dict[str, Any], written: dict[str, Any]) -> None:
    """Put members where they belong, null ones away, and leave all others as they are.

    Objects below are replaced by new ones: the client's own body is still read elsewhere.
    """
    for name, part in written.items():
        if is_object(part):
            old = body.get(name)
            below = dict(old) if is_object(old) else {}
            _overlay(below, part)
            if below:
                body[name] = below
            else:
                body.pop(name, None)
        elif part is None:
            body.pop(name, None)
        else:
            body[name] = part


def _lost_of(asked: dict[str, Any]) -> list[str]:
    """Sampling fields whose answer cannot be told in the other delivery."""
    sampling = asked.get("sampling", {})
    return [name for name, plain in _PLAIN.items() if sampling.get(name) not in plain]


def _need_unsigned(response: dict[str, Any]) -> None:
    """Writing a signature seals it for its provider; one that was kept may be sealed already."""
    if _is_signed(response):
        raise TranslationError("a signed thought can only be given as it came")


def _is_signed(response: dict[str, Any]) -> bool:
    return any(
        block.get("signature") is not None or block.get("type") == "redacted_thinking"
        for block in response["blocks"]
    )
