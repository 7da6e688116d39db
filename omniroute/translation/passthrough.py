"""The same format on both sides: bytes pass through, and are only read in passing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from omniroute.base.bigjson import read_json, write_json
from omniroute.errors import ExpressionError, TranslationError, UpstreamCutError
from omniroute.translation import hub
from omniroute.translation.continuing import is_wanted, whole_of
from omniroute.translation.failures import classify
from omniroute.translation.format import Format, Frames
from omniroute.translation.runtime import Context
from omniroute.translation.said import KEPT_BYTES, said_in_rows
from omniroute.translation.shape import is_object
from omniroute.translation.stream import begins, error_node
from omniroute.translation.values import Failure, Usage


class PassedStream:
    """A stream whose frames go on as they came. See `omniroute.translation.values.Stream`.

    It begins where a translated one would: until then every row of the table is read, behind that
    only those that tell of usage, errors and the end.
    A frame that is no JSON is left out and counted, as no client library survives it. What the
    upstream sends only because the gateway asked for it is taken out again.
    """

    def __init__(self, same: Format, ctx: Context) -> None:
        self.started = False
        self.done = False
        self.usage = Usage()
        self.stop: str | None = None
        self.failure: Failure | None = None
        self.dropped: tuple[str, ...] = ()
        self.remember: Mapping[str, Any] = {}
        self.malformed = 0
        self.chunks = 0
        self.whole = b""
        self._format = same
        self._ctx = ctx
        self._decoder = same.framing.decoder()
        self._encoder = same.framing_for(ctx["framing"]).encoder()
        self._watch = same.functions["stream.watch"]
        self._decode = same.functions["stream.decode"]
        self._start = same.functions["stream.start"]
        self._error = same.functions["errors.decode"]
        self._extra = same.extra
        if self._extra is not None and self._extra.unless(ctx["request"], ctx):
            self._extra = None
        self._ended = False
        self._first: list[bytes] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        out: list[bytes] = []
        for event in self._decoder.feed(chunk):
            self._event(event.event, event.data, out)
        return b"".join(out)

    def finish(self) -> bytes:
        out: list[bytes] = []
        for event in self._decoder.finish():
            self._event(event.event, event.data, out)
        if self.failure is not None or self._ended:
            return b"".join(out)
        if not self.done:
            if self.stop is None or not self._format.ends_with_stop:
                raise UpstreamCutError("the upstream closed the stream before the answer's end")
            if self._format.marker is not None:
                out.append(self._encoder.encode(self._format.marker))
        self._ended = True
        out.append(self._encoder.close())
        return b"".join(out)

    def fail(self, failure: Failure) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        self._ctx["sequence"] = self.chunks
        node = error_node(failure, str(self._ctx.get("seed", "")))
        return self._frames(self._format.writers.error, node) + self._encoder.close()

    def ping(self) -> bytes:
        if self.chunks and not self._ended and self._format.writers.ping:
            return self._frames(self._format.writers.ping, {})
        return self._encoder.comment()

    def estimate(self) -> int:
        ctx: Context = {**self._ctx, "dropped": {}}
        rows: list[Any] = []
        for data in self._first:
            try:
                rows += self._decode(read_json(data), ctx) or ()
            except (TranslationError, ExpressionError, RecursionError):
                continue
        read = sum(map(len, self._first))
        return said_in_rows(rows) * self._bytes // read if read else 0

    def _frames(self, frames: Frames, node: dict[str, Any]) -> bytes:
        return b"".join(
            encode_frame(self._format, self._encoder, frame(node, self._ctx)) for frame in frames
        )

    def _event(self, name: str | None, data: bytes, out: list[bytes]) -> None:
        if self._ended or self.failure is not None:
            return
        if data == self._format.marker:
            self.started = self.done = True
            out.append(self._encoder.encode(data, name))
            return
        try:
            node = read_json(data)
            rows = self._watch(node, self._ctx)
            if name == "error":
                rows = [{"error": self._error(node, self._ctx)}]
            if not self.started and "response" not in self._ctx:
                begun = self._start(node, self._ctx)
                if is_object(begun):
                    self._ctx["response"] = hub.begun_of(begun)
                    self.usage = hub.usage_of(begun.get("usage"), self.usage)
        except (orjson.JSONDecodeError, TranslationError, ExpressionError, RecursionError):
            self.malformed += 1
            return
        if rows:
            for row in rows:
                self._row(row)
            if self.failure is not None:
                return
            if self.done and is_wanted(self._format, self._ctx):
                self.whole = whole_of(self._format, node, self._ctx)
        if not self.started:
            self.started = self._begins(node)
        self.chunks += 1
        if self.usage.output is None:
            if self._bytes < KEPT_BYTES:
                self._first.append(data)
            self._bytes += len(data)
        extra = self._extra
        if extra is not None and is_object(node):
            members = node
            if extra.frame is not None and extra.frame(members, self._ctx):
                return
            surplus = [field for field in extra.fields if field in members]
            if surplus:
                for field in surplus:
                    del members[field]
                data = write_json(members)
        out.append(self._encoder.encode(data, name))

    def _begins(self, node: Any) -> bool:
        """The frame holds something of an answer. What the table cannot read may be just that."""
        try:
            rows = self._decode(node, self._ctx)
        except (TranslationError, ExpressionError, RecursionError):
            return True
        # What would be dropped between formats is passed on here.
        return bool(self._ctx["dropped"]) or any(
            is_object(row) and begins(row) for row in rows or ()
        )

    def _row(self, row: Any) -> None:
        if not is_object(row):
            return
        said = row
        if type(said.get("stop")) is str:
            self.stop = said["stop"]
        if "usage" in said:
            self.usage = hub.usage_of(said["usage"], self.usage)
        if "error" in said:
            error: Any = said["error"]
            self.failure = classify(
                error if is_object(error) else {"message": error},
                status=None,
                kinds=self._format.constants("errors", "kinds"),
                messages=self._format.constants("errors", "messages"),
            )
        elif said.get("end"):
            self.done = True


def encode_frame(client: Format, encoder: Any, data: Any) -> bytes:
    """One frame from what a template gave; nothing where it gave nothing."""
    if data is None:
        return b""
    if type(data) is str:
        return encoder.encode(data.encode())
    name = data.get("type") if client.named else None
    return encoder.encode(write_json(data), name)
