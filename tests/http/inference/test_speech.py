"""Texts said aloud: the audio reaches the client as it is made, and is never taken for more than
it is."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import openai
import orjson
import pytest
import pytest_asyncio

from omniroute.ledger.record import RequestRecord
from tests.chat import answer
from tests.http.inference.test_embeddings import records
from tests.running import ECHO, Gateway, running
from tests.scripted import CUT, LAST_CHUNK, Script, chunk, chunked_head, scripted_upstream
from tests.upstreams.speaker import AUDIO, speaker

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAY: Any = {"input": "héllo", "voice": "alloy"}
ASK: dict[str, Any] = {"model": "lab/m", **SAY}
HEAD = chunked_head(content_type="audio/mpeg")


def lab(name: str, url: str, price: str = "{unit: 0.000015}") -> str:
    return f"""\
  {name}:
    format: openai-chat
    base_url: {url}/v1
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{kind: speech, price: {price}}}}}
    resilience: {{retry: {{attempts: 0}}, breaker: {{failures: 0}}, cooldown: {{error: 0s}}}}
"""


class Speaking:
    """`script` is what the provider `odd` does next."""

    def __init__(self, gateway: Gateway, script: list[Script]) -> None:
        self.gateway = gateway
        self.script = script
        self._before = 0

    def begin(self) -> None:
        self._before = len(records(self.gateway))

    def rows(self) -> list[RequestRecord]:
        """Of this test."""
        return records(self.gateway)[self._before :]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Speaking]:
    script: list[Script] = []
    async with (
        scripted_upstream(speaker) as first,
        scripted_upstream(lambda _: script[0]) as odd,
    ):
        text = f"{ECHO}{lab('lab', first.url)}{lab('odd', odd.url)}"
        text += lab("tokens", first.url, "{input: 0.6, output: 12}")
        text += "combos: {any: {targets: [odd/m, lab/m]}}\n"
        async with running(tmp_path_factory.mktemp("speech"), text) as gateway:
            yield Speaking(gateway, script)


@pytest.fixture
def speaking(served: Speaking) -> Speaking:
    served.begin()
    return served


def sdk(gateway: Gateway) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)


async def test_the_sdk_gets_the_audio(speaking: Speaking) -> None:
    gateway = speaking.gateway
    async with sdk(gateway) as client:
        said = await client.audio.speech.create(
            model="lab/m", **SAY, instructions="slow", speed=1.5, response_format="mp3"
        )
    assert said.content == b"".join(AUDIO)
    assert said.response.headers["content-type"] == "audio/mpeg"

    def ask() -> bytes:
        url = f"{gateway.url}/v1/providers/lab"
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            return client.audio.speech.create(model="m", **SAY).content

    assert await asyncio.to_thread(ask) == b"".join(AUDIO)
    rows = speaking.rows()
    assert [(one.kind, one.status, one.output, one.cost_nanousd) for one in rows] == [
        ("speech", 200, None, 75_000)
    ] * 2


async def test_pieces_come_as_they_are_made(speaking: Speaking) -> None:
    hold = asyncio.Event()
    speaking.script[:] = [[HEAD, chunk(b"one"), hold, chunk(b"two"), LAST_CHUNK]]
    async with sdk(speaking.gateway) as client:
        asking = client.audio.speech.with_streaming_response.create(model="odd/m", **SAY)
        async with asking as said:
            pieces = said.iter_bytes()
            assert await anext(pieces) == b"one"
            hold.set()
            assert [piece async for piece in pieces] == [b"two"]


async def test_events_tell_what_was_used(speaking: Speaking) -> None:
    body = {**ASK, "model": "tokens/m", "stream_format": "sse"}
    reply = await speaking.gateway.client.post("/v1/audio/speech", json=body)
    assert reply.headers["content-type"] == "text/event-stream"
    kinds = [orjson.loads(line[6:])["type"] for line in reply.text.splitlines() if line]
    assert kinds == ["speech.audio.delta", "speech.audio.done"]
    (row,) = speaking.rows()
    assert (row.input_uncached, row.output, row.cost_nanousd) == (4, 60, 722_400)


async def test_audio_that_breaks_off_does_so_for_the_client(speaking: Speaking) -> None:
    speaking.script[:] = [[HEAD, chunk(b"one"), CUT]]
    with pytest.raises(httpx.RemoteProtocolError):
        await speaking.gateway.client.post("/v1/audio/speech", json={**ASK, "model": "odd/m"})
    (row,) = speaking.rows()
    assert (row.error_class, row.bytes_out) == ("upstream", 3)


@pytest.mark.parametrize(
    "script",
    [
        [answer(200, {"error": {"message": "no voice today", "code": "overloaded"}})],
        [HEAD, chunk(b"<!doctype html><title>hi</title>"), LAST_CHUNK],
        [answer(503, {"error": {"message": "later"}})],
        [HEAD, LAST_CHUNK],
        [HEAD, CUT],
    ],
    ids=["error", "page", "503", "empty", "cut"],
)
async def test_another_provider_speaks_where_the_first_says_nothing(
    speaking: Speaking, script: Script
) -> None:
    speaking.script[:] = [script]
    async with sdk(speaking.gateway) as client:
        said = await client.audio.speech.create(model="any", **SAY)
        assert said.content == b"".join(AUDIO)
        with pytest.raises(openai.APIStatusError) as refused:
            await client.audio.speech.create(model="odd/m", **SAY)
    assert refused.value.status_code >= 500


@pytest.mark.parametrize("first", [b"{", b"<", b" \n", b"{ not json"])
async def test_samples_may_begin_as_anything(speaking: Speaking, first: bytes) -> None:
    head = chunked_head(content_type="text/html")
    speaking.script[:] = [[head, chunk(first), chunk(b"\x00\x01" * 200), LAST_CHUNK]]
    reply = await speaking.gateway.client.post(
        "/v1/audio/speech", json={**ASK, "model": "odd/m", "response_format": "pcm"}
    )
    assert reply.content == first + b"\x00\x01" * 200
    assert reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("told", "passed"),
    [
        pytest.param("audio/pcm; rate=24000; channels=1", True, id="with parameters"),
        pytest.param("audio/w\N{LATIN SMALL LETTER E WITH ACUTE}v", False, id="not ASCII"),
        pytest.param("audio/mpeg; key=lab-credential", False, id="a credential"),
        pytest.param("audio/mpeg, text/html", False, id="two"),
    ],
)
async def test_a_type_passes_when_it_is_nothing_but_one(
    speaking: Speaking, told: str, *, passed: bool
) -> None:
    speaking.script[:] = [[chunked_head(content_type=told), chunk(AUDIO[0]), LAST_CHUNK]]
    reply = await speaking.gateway.client.post("/v1/audio/speech", json={**ASK, "model": "odd/m"})
    assert (reply.status_code, reply.content) == (200, AUDIO[0])
    assert reply.headers["content-type"] == (told if passed else "application/octet-stream")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "lab/m", "voice": "alloy"}, "input"),
        ({**ASK, "input": 3}, "input"),
        ({**ASK, "speed": "fast"}, "speed"),
        ({**ASK, "stream_format": "rtp"}, "stream_format"),
        ({**ASK, "model": None}, "model"),
        ({"model": "lab/m", "input": "x"}, "voice"),
        ({**ASK, "model": "echo"}, "model"),
    ],
)
async def test_refusals_name_the_field(
    speaking: Speaking, body: dict[str, Any], param: str
) -> None:
    reply = await speaking.gateway.client.post("/v1/audio/speech", json=body)
    assert (reply.status_code // 100, reply.json()["error"]["param"]) == (4, param)


async def test_a_tone_for_each_word_without_a_key(speaking: Speaking) -> None:
    async with sdk(speaking.gateway) as client:
        said = await client.audio.speech.create(
            model="echo-speech", input="two words", voice="alloy", response_format="wav"
        )
    with wave.open(io.BytesIO(said.content)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(0.3)
    body = {"model": "echo-speech", "input": "two words", "voice": "x", "stream_format": "sse"}
    reply = await speaking.gateway.client.post("/v1/audio/speech", json=body)
    assert reply.text.count("speech.audio.delta") == 3
    assert (await speaking.gateway.client.get("/v1/audio/speech")).status_code == 405
    assert [one.cost_nanousd for one in speaking.rows()] == [0, 0]
