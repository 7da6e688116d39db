"""What a request's life promises: one deadline, one record, spend that outlives the state."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import orjson

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
    good = answer(200, COMPLETION)
    async with scripted_upstream([HANG]) as silent, scripted_upstream([good]) as other:
        text = lab(silent.url).replace(
            "providers:",
            f"""server: {{request_timeout: 300ms}}
combos: {{both: {{targets: [lab/m, spare/m], fallback_on: [timeout]}}}}
providers:
  spare:
    format: openai-chat
    base_url: {other.url}/v1
    allow_private_network: true
    models: {{m: {{}}}}""",
            1,
        )
        async with running(tmp_path, text) as gateway:
            reply = await gateway.client.post("/v1/chat/completions", json={**ASK, "model": "both"})
            assert reply.status_code == 504, reply.text
            assert (len(silent.requests), len(other.requests)) == (1, 0)


async def test_spend_is_rebuilt_from_the_ledger_when_the_state_is_gone(tmp_path: Path) -> None:
    budget = "budgets: {all: {scope: global, limit: 0.00001, period: daily}}"
    async with scripted_upstream([answer(200, COMPLETION)]) as upstream:
        async with running(tmp_path, lab(upstream.url, budget)) as gateway:
            codes = [
                (await gateway.client.post("/v1/chat/completions", json=ASK)).status_code
                for _ in range(6)
            ]
            assert codes[-1] == 402, codes
        shutil.rmtree(tmp_path / "data" / "state")
        async with running(tmp_path, lab(upstream.url, budget)) as gateway:
            reply = await gateway.client.post("/v1/chat/completions", json=ASK)
            assert reply.status_code == 402, reply.text
