"""The HTTP server around a dialect: checks, answers, streams, and remembers what it saw."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
from aiohttp import web

from tests.upstreams.anthropic import Anthropic
from tests.upstreams.dialect import Dialect, Frame, Received
from tests.upstreams.gemini import Gemini
from tests.upstreams.ollama import Ollama
from tests.upstreams.openai_chat import OpenaiChat
from tests.upstreams.openai_responses import OpenaiResponses
from tests.upstreams.scenario import Failure, RefusedError, Scenario, choose
from tests.upstreams.seen import Seen, refuse

DIALECTS: dict[str, type[Dialect]] = {
    "openai-chat": OpenaiChat,
    "openai-responses": OpenaiResponses,
    "anthropic": Anthropic,
    "gemini": Gemini,
    "ollama": Ollama,
}
Decide = Callable[[Seen], Scenario]
_ODD_SIZES = (1, 2, 3, 1, 5, 7, 1, 11, 13, 4)


class Upstream:
    """One running fake provider. `seen` and `received` grow with each chat request it accepts,
    `refused` with each that it does not."""

    def __init__(self, dialect: Dialect, decide: Decide) -> None:
        self.dialect = dialect
        self.decide = decide
        self.url = ""
        self.seen: list[Seen] = []
        self.received: list[Received] = []
        self.refused: list[Failure] = []

    def forget(self) -> None:
        self.seen.clear()
        self.received.clear()
        self.refused.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except RefusedError as error:
            self.refused.append(error.failure)
            status, body, headers = self.dialect.error(error.failure)
            return web.json_response(
                body=orjson.dumps(body),
                status=status,
                headers=headers,
                content_type="application/json",
            )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        received = await _receive(request)
        self.dialect.authenticate(received)
        other = self.dialect.answer_other(received)
        if other is not None:
            return _json(other)
        if not received.headers.get("content-type", "").startswith("application/json"):
            raise refuse("the content type must be application/json")
        seen = self.dialect.read(received)
        self.seen.append(seen)
        self.received.append(received)
        scenario = self.decide(seen)
        _check_needs(seen, scenario)
        if scenario.failure and not (seen.stream and scenario.in_stream):
            raise RefusedError(scenario.failure)
        if not seen.stream:
            return _json(self.dialect.whole(seen, scenario))
        return await self._stream(request, received, seen, scenario)

    async def _stream(
        self, request: web.Request, received: Received, seen: Seen, scenario: Scenario
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": self.dialect.stream_type})
        if received.path.endswith(":streamGenerateContent") and received.query.get("alt") != "sse":
            response.headers["Content-Type"] = "application/json; charset=UTF-8"
        await response.prepare(request)
        frames = self.dialect.frames(seen, scenario, received)
        for data in _writes(self.dialect, frames, scenario):
            await response.write(data)
            await asyncio.sleep(0)
        if scenario.cut == "reset" and request.transport is not None:
            request.transport.abort()
            return response
        await response.write_eof()
        return response


def _writes(dialect: Dialect, frames: list[Frame], scenario: Scenario) -> Iterator[bytes]:
    writes: list[bytes] = []
    content_at = [at for at, frame in enumerate(frames) if frame.content]
    middle = content_at[len(content_at) // 2]
    for at, frame in enumerate(frames):
        if scenario.in_stream == "first":
            writes.append(dialect.error_frame(_failure(scenario), 0))
            break
        writes.append(frame.data)
        if scenario.pings:
            writes.append(dialect.ping_frame())
        if at == middle and scenario.in_stream:
            writes.append(dialect.error_frame(_failure(scenario), at + 1))
            break
        if at == middle and scenario.cut:
            break
    if scenario.crlf:
        writes = [data.replace(b"\n", b"\r\n") for data in writes]
    if not scenario.odd_splits:
        yield from filter(None, writes)
        return
    whole, at = b"".join(writes), 0
    for size in itertools.cycle(_ODD_SIZES):
        if at >= len(whole):
            return
        yield whole[at : at + size]
        at += size


def by_model(seen: Seen) -> Scenario:
    """The scenario that the model's name picks."""
    return choose(seen.model, has_results=seen.has_results)


def _failure(scenario: Scenario) -> Failure:
    assert scenario.failure is not None
    return scenario.failure


def _check_needs(seen: Seen, scenario: Scenario) -> None:
    if scenario.needs == "tools" and not seen.tools:
        raise refuse("this model wants tools")
    if scenario.needs == "schema" and seen.schema is None:
        raise refuse("this model wants a schema for its answer")
    if scenario.needs == "image" and all(item[0] != "image" for item in seen.turns[-1].items):
        raise refuse("this model wants an image in the last turn")


async def _receive(request: web.Request) -> Received:
    raw = await request.read()
    body: Any = {}
    if raw:
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise refuse("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise refuse("the body must be an object")
    return Received(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        raw=raw,
        body=cast("dict[str, Any]", body),
    )


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


@asynccontextmanager
async def running(
    name: str, *, port: int = 0, decide: Decide = by_model
) -> AsyncGenerator[Upstream]:
    """A fake provider of the format `name` on 127.0.0.1; `url` as the format's SDK wants it."""
    upstream = Upstream(DIALECTS[name](), decide)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", upstream.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        _host, bound = runner.addresses[0][:2]
        suffix = "/v1" if name.startswith("openai") else ""
        upstream.url = f"http://127.0.0.1:{bound}{suffix}"
        yield upstream
    finally:
        await runner.cleanup()
