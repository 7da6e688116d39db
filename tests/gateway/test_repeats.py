"""Idempotency around a run: joined, repeated byte by byte, refused, and never across keys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from omniroute.admission.values import Caller, Refuse
from omniroute.base.clock import ManualClock
from omniroute.errors import RequestError
from omniroute.gateway.call import Inbound, Opener, Sink, Whole
from omniroute.gateway.repeats import MAX_KEPT_BYTES, Run, once
from omniroute.state.memory import MemoryStore


class Client:
    """Takes a stream, as a connection would."""

    def __init__(self) -> None:
        self.received = b""
        self.ended = False

    async def send(self, data: bytes) -> None:
        self.received += data

    async def end(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.received = b""


class Scene:
    """A store and a counted run."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
        self.runs = 0
        self.go = asyncio.Event()
        self.go.set()
        self.failed = False
        self.client = Client()

    async def whole(self, opener: Opener) -> Whole | None:
        self.runs += 1
        await self.go.wait()
        if self.failed:
            raise RequestError("upstream", "no")
        headers = {"X-Request-Id": "first", "X-OmniRoute-Model": "m"}
        return Whole(status=200, body=f"answer {self.runs}".encode(), headers=headers)

    async def stream(self, opener: Opener) -> Whole | None:
        self.runs += 1
        sink = await opener(200, {"X-OmniRoute-Model": "m"}, "text/event-stream")
        await sink.send(b"data: 1\n\n")
        await sink.send(b"data: [DONE]\n\n")
        await sink.end()
        return None

    async def ask(
        self, run: Run, *, key: str = "ci", name: str = "n", body: bytes = b"{}"
    ) -> Whole | Refuse | None:
        async def opener(status: int, headers: dict[str, str], content_type: str) -> Sink:
            return self.client

        return await once(
            run,
            opener,
            store=self.store,
            clock=self.clock,
            caller=Caller(key_id=key),
            inbound=Inbound(
                request_id="again",
                path="/v1/chat/completions",
                format="openai-chat",
                headers={"idempotency-key": name},
                body=body,
            ),
            window_s=5.0,
            failed=lambda: self.failed,
        )


async def test_a_repeat_gets_the_first_answer() -> None:
    scene = Scene()
    await scene.ask(scene.whole)
    again = await scene.ask(scene.whole)
    assert again == Whole(
        status=200,
        body=b"answer 1",
        headers={
            "X-OmniRoute-Model": "m",
            "X-Request-Id": "again",
            "X-OmniRoute-Idempotent": "true",
        },
    )
    scene.clock.advance(5.0)
    await scene.ask(scene.whole)
    assert scene.runs == 2


async def test_repeats_join_the_running_one() -> None:
    scene = Scene()
    scene.go.clear()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        tasks = [group.create_task(scene.ask(scene.whole)) for _ in range(5)]
        await asyncio.sleep(0)
        scene.go.set()
    answers = [task.result() for task in tasks]
    bodies = {answer.body for answer in answers if isinstance(answer, Whole)}
    assert (scene.runs, bodies) == (1, {b"answer 1"})


async def test_another_body_or_key_does_not_get_it() -> None:
    scene = Scene()
    await scene.ask(scene.whole)
    refusal = await scene.ask(scene.whole, body=b"{ }")
    assert isinstance(refusal, Refuse)
    assert refusal.error.status == 422
    other = await scene.ask(scene.whole, key="other")
    assert isinstance(other, Whole)
    assert other.body == b"answer 2"
    too_long = await scene.ask(scene.whole, name="x" * 300)
    assert isinstance(too_long, Refuse)


async def test_a_stream_is_repeated_whole() -> None:
    scene = Scene()
    assert await scene.ask(scene.stream) is None
    again = await scene.ask(scene.stream)
    assert isinstance(again, Whole)
    assert (again.content_type, again.body) == ("text/event-stream", scene.client.received)
    assert scene.runs == 1


@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_what_failed_is_sent_again(kind: str) -> None:
    scene = Scene()
    scene.failed = True
    run = scene.whole if kind == "whole" else scene.stream
    for _ in range(2):
        try:
            await scene.ask(run)
        except RequestError:
            continue
    assert scene.runs == 2


async def test_a_cut_or_endless_stream_is_not_kept() -> None:
    scene = Scene()

    async def cut(opener: Opener) -> Whole | None:
        scene.runs += 1
        sink = await opener(200, {}, "text/event-stream")
        await sink.send(b"data: 1\n\n")
        sink.abort()
        return None

    async def long(opener: Opener) -> Whole | None:
        scene.runs += 1
        sink = await opener(200, {}, "text/event-stream")
        for _ in range(5):
            await sink.send(b"x" * (MAX_KEPT_BYTES // 4))
        await sink.end()
        return None

    for run in (cut, cut, long, long):
        await scene.ask(run)
    assert scene.runs == 4
