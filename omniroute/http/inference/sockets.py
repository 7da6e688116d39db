"""Requests over a WebSocket: each message that asks is a request of its own, as if it were posted.

Messages are answered one after the other, in the order in which they came, by the same pipeline.
What a socket's requests may go on from is kept for as long as it is open, even where it is not to
be kept otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import orjson
from msgspec import Struct
from sanic import HTTPResponse

from omniroute.admission.idempotency import HEADERS as NAMES
from omniroute.base.bigjson import read_json, write_json
from omniroute.base.heavy import BIG_BYTES
from omniroute.errors import RequestError, TranslationError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, new_request_id, presented_key
from omniroute.http.edge.errors import from_exception, in_envelope, waiting_s
from omniroute.http.edge.websocket import WebSocket, is_asked_for
from omniroute.request.inbound import Inbound, Sink
from omniroute.translation.values import ClientFormat, Continuing, Endpoint, OnSocket
from omniroute.worker.requestlog import LogEntry
from omniroute.worker.runtime import Runtime

T = TypeVar("T")
MAX_WAITING: Final = 8
"""Messages that wait for those before them to be answered."""
GOING_AWAY: Final = 1001
_OF_THE_HANDSHAKE: Final = frozenset({*NAMES, "connection", "upgrade", "origin"})


async def converse(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse | None:
    """Serve a socket to its end. Raises RequestError while it is none yet."""
    snapshot = runtime.snapshot
    runtime.identify(presented_key(asked, snapshot), client_ip_of(asked, snapshot))
    if not is_asked_for(asked.headers):
        raise RequestError(
            "invalid_request",
            "GET here opens a WebSocket; a single request is sent with POST",
            status=426,
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )
    origins = snapshot.config.server.cors.origins
    origin = asked.headers.get("origin")
    if origin is not None and not ("*" in origins or origin in origins):
        # A page of anybody's could open it, unlike a POST, whose answer browsers keep from it.
        raise RequestError("permission", f"the origin {origin!r} is not in server.cors.origins")
    socket = await asked.open_socket(snapshot.config.server)
    await _Conversation(runtime, asked, endpoint, socket).hold()
    asked.answered(101)
    return None


class _Conversation:
    """One socket from its handshake to its end."""

    def __init__(
        self, runtime: Runtime, asked: Asked, endpoint: Endpoint, socket: WebSocket
    ) -> None:
        self._runtime = runtime
        self._asked = asked
        self._endpoint = endpoint
        self._socket = socket
        self._headers = {
            name: value
            for name, value in asked.headers.items()
            if name not in _OF_THE_HANDSHAKE and not name.startswith("sec-websocket-")
        }
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._leaving = asyncio.Event()
        self._busy = False

    async def hold(self) -> None:
        self._socket.on_leave(self._leaving.set)
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._answer()),
                    group.create_task(self._socket.watch()),
                    group.create_task(self._leave()),
                ]
                while (message := await self._socket.receive()) is not None:
                    if self._waiting.full():
                        self._socket.release(message)
                        await self._refuse_more()
                    else:
                        self._waiting.put_nowait(message)
                for task in beside:
                    task.cancel()
            await self._socket.end()
        finally:
            self._socket.free()
            self._runtime.recollections.forget(id(self))

    async def _answer(self) -> None:
        while True:
            message = await self._waiting.get()
            self._busy = True
            turn = self._turn()
            if turn is None:
                await self._socket.close(GOING_AWAY, "this format is not spoken here any more")
                return
            await turn.take(message, self._headers)
            self._socket.release(message)
            self._busy = False
            if self._leaving.is_set():
                await self._socket.close(GOING_AWAY, "the server stops")

    async def _leave(self) -> None:
        await self._leaving.wait()
        if not self._busy:
            await self._socket.close(GOING_AWAY, "the server stops")

    async def _refuse_more(self) -> None:
        error = RequestError(
            "rate_limit",
            f"more than {MAX_WAITING} requests wait on this socket",
            code="too_many_turns",
        )
        turn = self._turn()
        if turn is not None:
            await turn.tell(error)

    def _turn(self) -> _Turn | None:
        """None when a reload has taken the format away."""
        formats, name = self._runtime.snapshot.formats, self._endpoint.format
        client = formats.client(name) if name in formats.names() else None
        if client is None or client.socket is None:
            return None
        return _Turn(self._runtime, self._asked, self._socket, client, client.socket, id(self))


class _Asks(Struct, frozen=True, kw_only=True):
    """What a message asks: the body of its request, parsed and as JSON."""

    body: dict[str, Any]
    raw: bytes
    prepares: bool


class _Turn:
    """One message and what is told of it."""

    def __init__(
        self,
        runtime: Runtime,
        asked: Asked,
        socket: WebSocket,
        client: ClientFormat,
        spoken: OnSocket,
        conversation: int,
    ) -> None:
        self._runtime = runtime
        self._asked = asked
        self._socket = socket
        self._client = client
        self._spoken = spoken
        self._conversation = conversation
        self._request_id = new_request_id()
        self._lane = b""

    async def take(self, message: bytes, headers: Mapping[str, str]) -> None:
        """Answer a message; whatever is wrong with it is told, and the socket stays open."""
        try:
            await self._take(message, headers)
        except TranslationError as error:
            await self.tell(RequestError("invalid_request", error.message, param=error.param))
        except Exception as error:  # noqa: BLE001 - one turn's failure is not the socket's
            await self.tell(from_exception(error))

    async def _take(self, message: bytes, headers: Mapping[str, str]) -> None:
        runtime, asked = self._runtime, self._asked
        client = self._client
        asks = await self._beside(len(message), lambda: self._understood(message))
        snapshot, entry = runtime.snapshot, None
        if runtime.logs_requests:
            entry = LogEntry(asked.method, asked.path, self._request_id)
        inbound = Inbound(
            request_id=self._request_id,
            path=asked.path,
            format=client.name,
            body=asks.raw,
            headers=headers,
            key=presented_key(asked, snapshot),
            client_ip=client_ip_of(asked, snapshot),
            stream_framing=self._spoken.framing,
            prepares=asks.prepares,
            recorded=None if entry is None else entry.recorded,
        )
        events = _Events(self._socket, self._lane)

        async def opener(status: int, headers: dict[str, str], content_type: str) -> Sink:
            return events

        whole = await runtime.pipeline.run(inbound, opener)
        if whole is not None:
            await events.send(whole.body)
            await events.end()
        continuing = client.continuing
        if continuing is not None and (asks.prepares or not continuing.wanted(asks.body)):
            size = len(asks.raw) + len(events.last)
            await self._beside(size, lambda: self._remember(continuing, asks.body, events.last))

    async def _beside(self, size_bytes: int, work: Callable[[], T]) -> T:
        """Work on what is large, or goes on from what is, happens beside the loop."""
        size_bytes += self._runtime.recollections.held(self._conversation)
        return await self._runtime.heavy.run(work) if size_bytes >= BIG_BYTES else work()

    def _understood(self, message: bytes) -> _Asks:
        """Raises RequestError for a message that asks for nothing."""
        said = _read(message)
        lane = None if self._spoken.lane is None else said.get(self._spoken.lane)
        if type(lane) is str:
            self._lane = b"{%b:%b," % (write_json(self._spoken.lane), write_json(lane))
        body = self._spoken.request(said)
        if body is None:
            raise RequestError(
                "invalid_request", "this message asks for nothing that is known", param="type"
            )
        continuing = self._client.continuing
        previous = None if continuing is None else continuing.previous(body)
        if continuing is not None and previous is not None:
            items = self._runtime.recollections.find(self._conversation, previous)
            if items is not None:
                body = continuing.expand(body, read_json(items))
        return _Asks(body=body, raw=write_json(body), prepares=self._spoken.prepares(said))

    def _remember(self, continuing: Continuing, body: dict[str, Any], last: bytes) -> None:
        answer = continuing.whole(read_json(last)) if last else None
        identity = None if answer is None else answer.get("id")
        if answer is not None and type(identity) is str:
            items = write_json(continuing.items(body, answer))
            self._runtime.recollections.keep(self._conversation, identity, items)

    async def tell(self, error: RequestError) -> None:
        """Send an error as an event."""
        status, envelope = in_envelope(error, self._client, self._request_id)
        headers = {"x-request-id": self._request_id}
        if (seconds := waiting_s(error)) is not None:
            headers["retry-after"] = seconds
        original = error.original
        if original is not None and original.format == self._client.name:
            status, envelope = original.status, original.body
            headers |= original.headers
        await self._socket.send(_in_lane(self._spoken.error(envelope, status, headers), self._lane))


class _Events:
    """A streamed answer's events as messages. See `omniroute.request.inbound.Sink`."""

    def __init__(self, socket: WebSocket, lane: bytes) -> None:
        self._socket = socket
        self._lane = lane
        self._rest = b""
        self.last = b""
        """The last event that was sent."""

    async def send(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line:
                self.last = line
                await self._socket.send(_in_lane(line, self._lane))

    async def nudge(self, data: bytes) -> bool:
        return False  # the socket's own pings keep it awake

    async def end(self) -> None:
        if self._rest:
            await self.send(b"\n")

    def abort(self) -> None:
        self._socket.abort()


def _in_lane(event: bytes, lane: bytes) -> bytes:
    """An event, which is an object, with the member that tells its lane."""
    return lane + event[1:] if lane and event[:2] != b"{}" else event


def _read(message: bytes) -> dict[str, Any]:
    try:
        said = read_json(message)
    except orjson.JSONDecodeError as error:
        raise RequestError("invalid_request", f"the message is not JSON: {error.msg}") from None
    if not isinstance(said, dict):
        raise RequestError("invalid_request", "a message is a JSON object")
    return said  # pyright: ignore[reportUnknownVariableType] - any object
