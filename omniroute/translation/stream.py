"""The one stream engine: upstream events to hub events to client frames, and the folded answer.

A table's rows say what an upstream event means; each row that applies gives one of

    {block: key, kind, id?, name?, text? | json? | input?, signature?, …}   a piece of a block
    {block: key, whole_text? | whole_json?, …}   all of a block; what did not come yet is a piece
    {close: key}              that block is complete
    {stop, stop_sequence?}    why the answer ended
    {usage}                   counts so far, cumulative
    {error}                   the upstream failed
    {end: true}               the upstream's own end marker

and this engine owns all that has state. A block is *waiting* → *open* → *closed* on the client's
side. The same key continues a block; a new key, or a new id and name under an old key, makes a new
one. Clients that take blocks in parallel see every piece at once. Sequential clients have one open
block: text gives way to the next block; a tool call gives way when its arguments are complete JSON,
else later blocks wait, so interleaved calls come out one after another, each opened and closed
once. Nothing is written after `finish` or `fail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from omniroute.base.bigjson import read_json, write_json
from omniroute.catalog.tokens import estimate_tokens
from omniroute.errors import ExpressionError, TranslationError, UpstreamCutError
from omniroute.translation import hub
from omniroute.translation.continuing import is_wanted
from omniroute.translation.failures import classify
from omniroute.translation.format import Format, Frames
from omniroute.translation.functions import parse_object, plain_text, to_json
from omniroute.translation.runtime import Context, drop, new_id
from omniroute.translation.shape import is_object
from omniroute.translation.values import Failure, Usage

_FILLED_LATER: Final = frozenset({"text", "thinking", "refusal"})
_FILLINGS: Final = ("text", "json", "input", "signature", "whole_text", "whole_json")
_NAMES: Final = frozenset(
    {
        *("block", "kind", "text", "json", "input", "id", "name", "signature"),
        *("whole_text", "whole_json", "close"),
    }
)
_TOLD_LATER: Final = frozenset({"blocks", "stop", "stop_sequence"})
"""Members of a whole answer that its stream does not begin with."""


_UNTRANSLATABLE: Final = (TranslationError, ExpressionError, RecursionError)
_NOT_TRANSLATED: Final = "the upstream's stream cannot be translated"


class Block:
    """One block under way; `view` is what templates and the fold see of it."""

    __slots__ = (
        *("closed", "ended", "index", "json", "key", "kind", "opened", "pieces", "sent", "view"),
    )

    def __init__(self, key: Any, kind: str, view: dict[str, Any]) -> None:
        self.key = key
        self.kind = kind
        self.view = view
        self.index = -1
        self.pieces: list[tuple[str, Any]] = []
        """What arrived, in order: ("text" | "json" | "signature", value)."""
        self.sent = 0
        """How many pieces the client has."""
        self.json = ""
        self.opened = False
        self.ended = False
        self.closed = False

    def settle(self) -> None:
        """Complete the view: joined text, parsed arguments."""
        if self.kind == "tool_use":
            arguments = self.joined("json")
            self.json = self.view["json"] = arguments or "{}"
            self.view["input"] = parse_object(arguments)
            return
        text = self.joined("text")
        if text or self.kind in ("text", "thinking", "refusal"):
            self.view["text"] = text

    def joined(self, name: str) -> str:
        return "".join(piece for kind, piece in self.pieces if kind == name)

    def is_nameless(self) -> bool:
        """A call of which nobody can tell what is called; it is none until its name comes."""
        return self.kind == "tool_use" and not self.view.get("name")

    def is_complete(self) -> bool:
        """A tool call whose arguments are a whole JSON object needs no more pieces."""
        if self.kind != "tool_use" or self.ended:
            return True
        last = next((piece for name, piece in reversed(self.pieces) if name == "json"), "")
        if not last.rstrip().endswith("}"):
            return False
        try:
            read_json(self.joined("json").encode())
        except orjson.JSONDecodeError:
            return False
        return True


class TranslatedStream:
    """A stream between two formats. See `omniroute.translation.values.Stream`."""

    def __init__(self, client: Format, upstream: Format, ctx: Context) -> None:
        self.started = False
        self.done = False
        self.usage = Usage()
        self.stop: str | None = None
        self.failure: Failure | None = None
        self.malformed = 0
        self.chunks = 0
        self.whole = b""
        self.dropped: tuple[str, ...] = ()
        self.remember: Mapping[str, Any] = {}
        self._upstream = upstream
        self._ctx = ctx
        self._decoder = upstream.framing.decoder()
        self._encoder = client.framing_for(ctx["framing"]).encoder()
        self._named = client.named
        self._writers = client.writers
        self._client = client
        self._start = upstream.functions["stream.start"]
        self._decode = upstream.functions["stream.decode"]
        self._error = upstream.functions["errors.decode"]
        self._response: dict[str, Any] = {}
        ctx["response"] = self._response
        ctx["sequence"] = 0
        self._blocks: list[Block] = []
        self._by_key: dict[Any, Block] = {}
        self._current: Block | None = None
        self._waiting: list[Block] = []
        self._opened = 0
        self._tools = 0
        self._finished = False
        self._stop_sequence: Any = None

    def feed(self, chunk: bytes) -> bytes:
        out: list[bytes] = []
        try:
            for event in self._decoder.feed(chunk):
                self._event(event.event, event.data, out)
        except _UNTRANSLATABLE as error:
            raise UpstreamCutError(_NOT_TRANSLATED) from error
        self.dropped = tuple(self._ctx["dropped"])
        return b"".join(out)

    def finish(self) -> bytes:
        out: list[bytes] = []
        try:
            for event in self._decoder.finish():
                self._event(event.event, event.data, out)
            if self.failure is None and not self._finished:
                if not self.done and not (self.stop is not None and self._upstream.ends_with_stop):
                    raise UpstreamCutError("the upstream closed the stream before the answer's end")
                self._finish(out)
        except _UNTRANSLATABLE as error:
            raise UpstreamCutError(_NOT_TRANSLATED) from error
        return b"".join(out)

    def fail(self, failure: Failure) -> bytes:
        if self._finished:
            return b""
        self._finished = True
        out: list[bytes] = []
        node = error_node(failure, str(self._ctx.get("seed", "")))
        self._write(self._writers.error, node, out)
        out.append(self._encoder.close())
        return b"".join(out)

    def ping(self) -> bytes:
        if self._writers.ping and self._response and not self._finished:
            out: list[bytes] = []
            self._write(self._writers.ping, {}, out)
            return b"".join(out)
        return self._encoder.comment()

    def estimate(self) -> int:
        pieces = (piece for block in self._blocks for piece in block.pieces)
        return estimate_tokens("".join(said for name, said in pieces if name != "signature"))

    def folded(self) -> dict[str, Any]:
        """The answer so far, as the decoder of whole answers would have given it."""
        for block in self._blocks:
            if not block.closed:
                block.settle()
        blocks = [block.view for block in self._blocks if not block.is_nameless()]
        response = {**self._response, "blocks": blocks}
        stop = hub.settle_stop(self.stop, blocks)
        if stop is not None:
            response["stop"] = stop
        if self._stop_sequence is not None:
            response["stop_sequence"] = self._stop_sequence
        usage = hub.usage_object(self.usage)
        if usage:
            response["usage"] = usage
        return response

    def replay(self, response: dict[str, Any]) -> bytes:
        """A whole hub answer at once, as its client would have seen it come."""
        out: list[bytes] = []
        self._begin({name: response[name] for name in response if name not in _TOLD_LATER}, out)
        for number, block in enumerate(response.get("blocks") or ()):
            self._row({**block, "block": number, "kind": block.get("type")}, out)
            self._row({"close": number}, out)
        ended = {name: response.get(name) for name in ("stop", "stop_sequence")}
        self._row(ended, out)
        self._finish(out)
        return b"".join(out)

    # One upstream event.

    def _event(self, name: str | None, data: bytes, out: list[bytes]) -> None:
        if self._finished or self.failure is not None:
            return
        if data == self._upstream.marker:
            self.done = True
            self._finish(out)
            return
        try:
            node = read_json(data)
        except orjson.JSONDecodeError:
            self.malformed += 1
            return
        try:
            if not self._response:
                begun = self._start(node, self._ctx)
                if is_object(begun):
                    self._begin(hub.begun_of(begun), out)
            rows = self._decode(node, self._ctx)
            if name == "error":
                rows = [{"error": self._error(node, self._ctx)}]
        except _UNTRANSLATABLE:
            self.malformed += 1
            return
        self.chunks += 1
        if rows:
            for row in rows:
                if is_object(row):
                    self._row(row, out)

    def _row(self, row: dict[str, Any], out: list[bytes]) -> None:
        if self._finished or self.failure is not None:
            return
        if row.get("block") is None and row.get("kind") == "tool_use":
            row["block"] = self._call_without_place(row)
        if not self.started:
            self.started = begins(row)
        if row.get("block") is not None:
            self._piece(row, out)
        if "close" in row:
            block = self._by_key.get(_key(row["close"]))
            if block is not None:
                block.ended = True
                self._advance(out)
        if row.get("stop") is not None and type(row["stop"]) is str:
            self.stop = row["stop"]
            if row.get("stop_sequence") is not None:
                self._stop_sequence = row["stop_sequence"]
        if "usage" in row:
            self.usage = hub.usage_of(row["usage"], self.usage)
        if "error" in row:
            said: Any = row["error"]
            self.failure = classify(
                said if is_object(said) else {"message": said},
                status=None,
                kinds=self._upstream.constants("errors", "kinds"),
                messages=self._upstream.constants("errors", "messages"),
            )
        elif row.get("end"):
            self.done = True
            self._finish(out)

    def _begin(self, begun: dict[str, Any], out: list[bytes]) -> None:
        if "usage" in begun:
            self.usage = hub.usage_of(begun["usage"], self.usage)
        response = self._response
        for name, value in begun.items():
            if name != "usage":
                response[name] = value
        if "id" not in response:
            response["id"] = new_id(self._ctx, "resp_")
        response.setdefault("model", self._ctx.get("model"))
        node = {"response": response, "usage": hub.usage_object(self.usage)}
        self._write(self._writers.start, node, out)

    # Blocks.

    def _piece(self, row: dict[str, Any], out: list[bytes]) -> None:
        if not self._response:
            self._begin({}, out)
        if ("whole_text" in row or "whole_json" in row) and not self._add_missing(row):
            return
        block = self._block_of(row)
        pieces = block.pieces
        for name in ("text", "json", "signature"):
            value = row.get(name)
            if value and type(value) is not str:
                value = _as_text(value, name)
            if value:
                # Arguments of what a table takes for text are that text.
                as_text = name == "json" and block.kind == "text"
                pieces.append(("text" if as_text else name, value))
                if name == "signature":
                    block.view["signature"] = block.view.get("signature", "") + value
        if "input" in row:
            pieces.append(("json", to_json(row["input"])))
        if self._writers.parallel or block is self._current:
            if not block.opened:
                if not block.is_nameless():
                    self._open(block, out)
            else:
                self._flush(block, out)
        else:
            self._advance(out)

    def _call_without_place(self, row: dict[str, Any]) -> Any:
        """The key of the call that such a piece goes on with: the last, until it is whole."""
        last = next((block for block in reversed(self._blocks) if block.kind == "tool_use"), None)
        if last is not None and not (row.get("name") and (last.ended or last.is_complete())):
            return last.key
        return f"call {len(self._blocks)}"

    def _add_missing(self, row: dict[str, Any]) -> bool:
        """Make a piece of what a whole text has more than the pieces so far.

        False when the row says nothing new of a block that the client has seen to its end.
        """
        known = self._by_key.get(_key(row["block"]))
        news = known is None or not known.closed
        for name in ("text", "json"):
            whole = row.get(f"whole_{name}")
            if type(whole) is not str:
                continue
            came = known.joined(name) if known is not None else ""
            if len(whole) > len(came) and whole.startswith(came):
                row[name] = whole[len(came) :]
                news = True
        return news

    def _block_of(self, row: dict[str, Any]) -> Block:
        key = _key(row["block"])
        block = self._by_key.get(key)
        identity, name = row.get("id"), row.get("name")
        if block is not None and not (
            block.closed or (name and identity and _is_another(block.view, identity))
        ):
            if identity or name:
                if identity and not block.view.get("id"):
                    block.view["id"] = identity
                if name and not block.view.get("name"):
                    block.view["name"] = name
            return block
        if block is not None:
            block.ended = True
        kind = row.get("kind")
        kind = kind if type(kind) is str else "text"
        extras = {name: value for name, value in row.items() if name not in _NAMES}
        view: dict[str, Any] = {"type": kind, **extras}
        if kind == "tool_use":
            view["id"] = (
                identity if type(identity) is str and identity else new_id(self._ctx, "call_")
            )
            view["name"] = name if type(name) is str else ""
        elif identity is not None:
            view["id"] = identity
        block = Block(key, kind, view)
        self._by_key[key] = block
        self._blocks.append(block)
        if not self._writers.parallel:
            self._waiting.append(block)
        return block

    def _advance(self, out: list[bytes]) -> None:
        """Close what may give way, open what waits for it; for sequential clients."""
        if self._writers.parallel:
            for block in self._blocks[self._closed_before() :]:
                if block.ended and block.opened and not block.closed:
                    self._close(block, out)
            return
        while True:
            current = self._current
            if current is not None:
                gives_way = current.ended or (self._waiting and current.is_complete())
                if not gives_way:
                    return
                self._close(current, out)
                self._current = None
            if not self._waiting:
                return
            if self._waiting[0].is_nameless():
                return
            self._current = self._waiting.pop(0)
            self._open(self._current, out)

    def _closed_before(self) -> int:
        count = 0
        while count < len(self._blocks) and self._blocks[count].closed:
            count += 1
        return count

    def _open(self, block: Block, out: list[bytes]) -> None:
        block.opened = True
        if not self._knows(block.kind):
            drop(self._ctx, block.kind)
            return
        block.index = self._opened
        self._opened += 1
        if block.kind == "tool_use":
            block.view["tool"] = self._tools
            self._tools += 1
        self._write(self._writers.open.get(block.kind, ()), self._node(block), out)
        self._flush(block, out)

    def _knows(self, kind: str) -> bool:
        writers = self._writers
        return kind in writers.open or kind in writers.delta or kind in writers.close

    def _flush(self, block: Block, out: list[bytes]) -> None:
        pieces = block.pieces
        while block.sent < len(pieces):
            name, value = pieces[block.sent]
            block.sent += 1
            frames = self._writers.delta.get(_delta_name(block.kind, name))
            if frames:
                node = self._node(block)
                node[name] = value
                node["first"] = block.sent == 1
                self._write(frames, node, out)

    def _close(self, block: Block, out: list[bytes]) -> None:
        block.ended = block.closed = True
        block.settle()
        frames = self._writers.close.get(block.kind)
        if frames:
            node = self._node(block)
            node["json"] = block.json
            node["empty"] = not any(name == "json" for name, _ in block.pieces)
            self._write(frames, node, out)

    def _node(self, block: Block) -> dict[str, Any]:
        return {
            "index": block.index,
            "tool": block.view.get("tool"),
            "block": block.view,
            "response": self._response,
        }

    # The end.

    def _finish(self, out: list[bytes]) -> None:
        if not self._response:
            self._begin({}, out)
        self._leave_nameless()
        for block in self._blocks:
            block.ended = True
        self._advance(out)
        for block in self._blocks:
            if not block.closed:
                if not block.opened:
                    self._open(block, out)
                self._close(block, out)
        self.started = True
        response = self.folded()
        self.stop = response.setdefault("stop", "end_turn")
        self._finished = True
        self.dropped = tuple(self._ctx["dropped"])
        self.remember = hub.remember(response, self._upstream.name, self._client.forgets)
        node = {
            "stop": response["stop"],
            "stop_sequence": response.get("stop_sequence"),
            "usage": response.get("usage"),
            "response": response,
        }
        self._write(self._writers.finish, node, out)
        out.append(self._encoder.close())
        if is_wanted(self._client, self._ctx):
            whole = self._client.functions["response.encode"](response, self._ctx)
            self.whole = write_json(whole)

    def _leave_nameless(self) -> None:
        for block in self._blocks:
            if block.is_nameless():
                drop(self._ctx, "tool_use")
        self._blocks = [block for block in self._blocks if not block.is_nameless()]
        self._waiting = [block for block in self._waiting if not block.is_nameless()]

    def _write(self, frames: Frames, node: dict[str, Any], out: list[bytes]) -> None:
        ctx = self._ctx
        for frame in frames:
            data = frame(node, ctx)
            if data is None:
                continue
            if type(data) is str:
                out.append(self._encoder.encode(data.encode()))
                continue
            name = data.get("type") if self._named else None
            try:
                text = write_json(data)
            except TypeError as error:
                raise UpstreamCutError("a piece of the answer cannot be written") from error
            out.append(self._encoder.encode(text, name))
            ctx["sequence"] += 1


def begins(row: dict[str, Any]) -> bool:
    """The row holds an answer's piece or its end; an announced block that is empty is neither."""
    if row.get("end"):
        return True
    kind = row.get("kind")
    if row.get("block") is None and kind != "tool_use":
        return False
    announced = type(kind) is not str or kind in _FILLED_LATER
    return not announced or any(map(row.get, _FILLINGS))


def error_node(failure: Failure, request_id: str) -> dict[str, Any]:
    """What the error templates see."""
    return {
        "kind": failure.kind,
        "status": failure.status,
        "message": failure.message,
        "code": failure.code,
        "param": failure.param,
        "retry_after_s": failure.retry_after_s,
        "request_id": request_id,
    }


def _as_text(value: Any, name: str) -> str:
    """A piece that is none; some servers send an object or a list where text is due."""
    if name == "json" and type(value) is dict:
        return to_json(value)
    return plain_text(value) or "" if name == "text" and type(value) is list else ""


def _key(value: Any) -> Any:
    return value if type(value) in (str, int) else to_json(value)


def _is_another(view: dict[str, Any], identity: object) -> bool:
    """Some servers reuse an index for the next call: a new id together with a name is a new one."""
    known = view.get("id")
    return bool(known) and identity != known and view["type"] == "tool_use"


def _delta_name(kind: str, piece: str) -> str:
    """Deltas are named for the block's kind; a thought's signature has frames of its own.

    A call's signature has none: formats that know one write it with the whole call.
    """
    if piece != "signature":
        return kind
    return "" if kind == "tool_use" else "signature"
