"""What a request's life promises: one deadline, one record, spend that outlives the state."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import orjson

from omniroute.ledger.database import open_database
from omniroute.request.inbound import Inbound
from tests.chat import COMPLETION, WHOLE_STREAM, answer, lab
from tests.running import Gateway, running
from tests.scripted import HANG, scripted_upstream

ASK = {"model": "lab/m", "messages": [{"role": "user", "content": "hello"}]}


class LookingSink:
    """A client that notes, with each piece that it gets, how many records were written."""

    def __init__(self, gateway: Gateway, begun: asyncio.Event) -> None:
        self._begun = begun
        self._meters = gateway.runtime.meters
        self.seen: list[tuple[bytes, int]] = []

    async def send(self, data: bytes) -> None:
        self.seen.append((data, sum(self._meters.requests.values())))
        self._begun.set()

    async def nudge(self, data: bytes) -> bool:
        raise AssertionError("nobody is silent for long")

    async def end(self) -> None:
        self.seen.append((b"", sum(self._meters.requests.values())))

    def abort(self) -> None:
        raise AssertionError("nothing broke")


async def test_a_streams_record_is_written_before_its_last_byte(tmp_path: Path) -> None:
    begun = asyncio.Event()
    head, first, *rest = WHOLE_STREAM
    async with (
        scripted_upstream([head, first, begun, *rest]) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        sink = LookingSink(gateway, begun)

        async def opener(status: int, headers: dict[str, str], content_type: str) -> LookingSink:
            return sink

        inbound = Inbound(
            request_id="req-last-byte",
            path="/v1/chat/completions",
            format="openai-chat",
            body=orjson.dumps({**ASK, "stream": True}),
        )
        assert await gateway.runtime.pipeline.run(inbound, opener) is None
    assert sink.seen[0][1] == 0
    last, records = sink.seen[-2]
    assert (last.endswith(b"data: [DONE]\n\n"), records) == (True, 1)


async def test_all_attempts_share_one_deadline(tmp_path: Path) -> None:
    """The first waits as long as its provider may, the second only for what is left of it."""
    async with (
        scripted_upstream([HANG]) as first,
        scripted_upstream([HANG]) as second,
        scripted_upstream([answer(200, COMPLETION)]) as third,
    ):
        providers = "\n".join(
            f"  {name}: {{format: openai-chat, base_url: {one.url}/v1, allow_private_network: true,"
            " timeout: {first_byte: 400ms}, models: {m: {}}}"
            for name, one in (("a", first), ("b", second), ("c", third))
        )
        text = f"""
server: {{request_timeout: 600ms}}
providers:
{providers}
combos: {{all: {{targets: [a/m, b/m, c/m], fallback_on: [timeout]}}}}
"""
        async with running(tmp_path, text) as gateway:
            reply = await gateway.client.post("/v1/chat/completions", json={**ASK, "model": "all"})
            assert reply.status_code == 504, reply.text
            assert reply.headers["x-omniroute-attempts"] == "2"
            assert (len(second.requests), len(third.requests)) == (1, 0)
    with open_database(tmp_path / "data" / "usage.duckdb", read_only=True) as connection:
        rows = connection.execute("SELECT reason FROM attempts ORDER BY n").fetchall()
    assert [reason for (reason,) in rows] == [
        "the provider did not start to answer in time",  # its own bound
        "the provider did not finish in time",  # the request's: another bound would have come later
    ]


async def test_spend_is_rebuilt_from_the_ledger_when_the_state_is_gone(tmp_path: Path) -> None:
    budget = "budgets: {all: {scope: global, limit: 0.0005, period: daily}}"
    asked = {**ASK, "max_tokens": 1}
    async with scripted_upstream(lambda _: [answer(200, COMPLETION)]) as upstream:
        async with running(tmp_path, lab(upstream.url, budget)) as gateway:
            codes: list[int] = []
            while not codes or (codes[-1] == 200 and len(codes) < 50):
                reply = await gateway.client.post("/v1/chat/completions", json=asked)
                codes.append(reply.status_code)
            assert (codes[0], codes[-1]) == (200, 402)
        shutil.rmtree(tmp_path / "data" / "state")
        async with running(tmp_path, lab(upstream.url, budget)) as gateway:
            reply = await gateway.client.post("/v1/chat/completions", json=asked)
            assert reply.status_code == 402, reply.text
