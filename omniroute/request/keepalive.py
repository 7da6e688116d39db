"""Something to hear in the silence of a stream, so that nobody between takes it for dead.

While a model thinks its provider may say nothing for minutes; nginx hangs up after one, Cloudflare
after two. Each format has its own way to say nothing: a ping event, a comment, white space. One
task looks after all streams of a worker, so that data costs nothing more.
"""

from __future__ import annotations

import asyncio
from typing import Final

from omniroute.ledger.record import RequestRecord
from omniroute.request.inbound import Sink
from omniroute.translation.values import Stream

INTERVAL_S: Final = 15.0
_LOOKS: Final = 5
"""In the time of one interval."""


class Line:
    """A stream under way, and since when its client has heard nothing."""

    __slots__ = ("_record", "_seen", "_since_s", "_sink", "_stream")

    def __init__(self, stream: Stream, sink: Sink, record: RequestRecord) -> None:
        self._stream = stream
        self._sink = sink
        self._record = record
        self._seen = -1
        self._since_s = 0.0

    async def look(self, now_s: float, interval_s: float) -> None:
        sent = self._record.bytes_out
        if sent != self._seen:
            self._seen, self._since_s = sent, now_s
            return
        stream = self._stream
        if now_s - self._since_s < interval_s or stream.done or stream.failure is not None:
            return
        nothing = stream.ping()
        if nothing:
            await self._sink.nudge(nothing)


class KeepAlive:
    """The streams of a worker; `keep` runs as long as it does."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._lines: set[Line] = set()

    def watch(self, stream: Stream, sink: Sink, record: RequestRecord) -> Line:
        """To be left when the last byte is sent. `record` counts what goes out."""
        line = Line(stream, sink, record)
        self._lines.add(line)
        return line

    def leave(self, line: Line) -> None:
        self._lines.discard(line)

    async def keep(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval_s / _LOOKS)
            await self.look(loop.time())

    async def look(self, now_s: float) -> None:
        """Once at every stream; `now_s` is on the loop's clock."""
        for line in tuple(self._lines):
            await line.look(now_s, self._interval_s)
