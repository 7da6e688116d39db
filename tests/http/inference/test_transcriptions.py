"""Files heard: what the client sends reaches the provider as it is, however large, and whatever is
wrong with it is told by name."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
import pytest_asyncio

from omniroute.http.edge import insides
from omniroute.ledger.record import RequestRecord
from tests.chat import answer
from tests.http.inference.test_embeddings import records
from tests.running import ECHO, Gateway, running, until
from tests.scripted import Recorded, Script, ScriptedUpstream, scripted_upstream
from tests.upstreams.assemblyai import AssemblyAi
from tests.upstreams.deepgram import deepgram
from tests.upstreams.listener import SEGMENTS, TEXT, Form, listener

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES = Path(__file__).parents[2] / "data" / "audio"
MP3 = (FILES / "tone.mp3").read_bytes()
PATH = "/v1/audio/transcriptions"
MOST = 64 << 20


def lab(name: str, url: str, more: str = "", format: str = "openai-chat") -> str:
    return f"""\
  {name}:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models: {{m: {{kind: transcription, price: {{unit: 0.0001}}}}}}
    resilience: {{retry: {{attempts: 0}}, breaker: {{failures: 0}}, cooldown: {{error: 0s}}}}
{more}"""


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Hearing:
    """`script` is what the provider `odd` does next, `serve` what `raw` does."""

    def __init__(self, gateway: Gateway, good: ScriptedUpstream, assembly: AssemblyAi) -> None:
        self.assembly = assembly
        self.gateway = gateway
        self.good = good
        self.script: Script = ()
        self.serve: Serve
        self._before = 0

    def begin(self) -> None:
        self._before = len(records(self.gateway))
        self.good.requests.clear()

    def rows(self) -> list[RequestRecord]:
        """Of this test."""
        return records(self.gateway)[self._before :]

    def heard(self) -> list[Form]:
        return [Form(asked) for asked in self.good.requests]

    async def ask(self, file: Any = ("a.mp3", MP3), **fields: Any) -> httpx.Response:
        files = {} if file is None else {"file": file}
        data = {"model": "lab/m", **fields}
        return await self.gateway.client.post(PATH, data=data, files=files)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Hearing]:
    assembly = AssemblyAi()

    def odd(_: Recorded) -> Script:
        return found.script

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await found.serve(reader, writer)
        writer.close()

    async with (
        scripted_upstream(listener) as good,
        scripted_upstream(deepgram) as deep,
        scripted_upstream(assembly) as assembled,
        scripted_upstream(odd) as other,
        await asyncio.start_server(serve, "127.0.0.1", 0) as raw,
    ):
        text = f"{ECHO}{lab('lab', good.url + '/v1')}{lab('odd', other.url)}"
        text += lab("slow", good.url + "/v1", "    client: httpx\n")
        text += lab("deep", deep.url, format="deepgram")
        text += lab("parts", assembled.url, format="assemblyai")
        text += lab("raw", f"http://127.0.0.1:{raw.sockets[0].getsockname()[1]}")
        text += "combos: {any: {targets: [odd/m, lab/m]}}\n"
        text += f"server: {{max_upload: {MOST >> 20}MiB, max_uploads: {MOST >> 20}MiB}}\n"
        async with running(tmp_path_factory.mktemp("hearing"), text) as gateway:
            found = Hearing(gateway, good, assembly)
            yield found


@pytest.fixture
def hearing(served: Hearing) -> Hearing:
    served.begin()
    return served


def sdk(gateway: Gateway) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)


@pytest.mark.parametrize("ending", ["mp3", "wav", "m4a", "flac", "ogg", "webm"])
async def test_a_file_is_what_it_holds_and_not_what_it_is_called(
    hearing: Hearing, ending: str
) -> None:
    audio = (FILES / f"tone.{ending}").read_bytes()
    async with sdk(hearing.gateway) as client:
        found = await client.audio.transcriptions.create(model="lab/m", file=("notes.txt", audio))
    assert found.text == TEXT
    (form,) = hearing.heard()
    assert (form.file, form.filename) == (audio, f"audio.{ending}")


async def test_the_sdk_that_does_not_wait_gets_words_and_segments(hearing: Hearing) -> None:
    def ask() -> Any:
        url = f"{hearing.gateway.url}/v1/providers/lab"
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            return client.audio.transcriptions.create(
                model="m",
                file=FILES / "tone.wav",
                response_format="verbose_json",
                timestamp_granularities=["word", "segment"],
                language="en",
                prompt="größer",
                temperature=0.2,
            )

    found = await asyncio.to_thread(ask)
    assert [(one.start, one.end, one.text) for one in found.segments] == [
        (one["start"], one["end"], one["text"]) for one in SEGMENTS
    ]
    assert (found.duration, found.words[0].word) == (2.5, "Good")
    (form,) = hearing.heard()
    assert sorted(form.fields) == [
        ("language", "en"),
        ("model", "m"),
        ("prompt", "größer"),
        ("response_format", "verbose_json"),
        ("temperature", "0.2"),
        ("timestamp_granularities[]", "segment"),
        ("timestamp_granularities[]", "word"),
    ]
    (row,) = hearing.rows()
    assert (row.kind, row.status, row.cost_nanousd) == ("transcription", 200, 300_000)
    assert row.bytes_in > (FILES / "tone.wav").stat().st_size


@pytest.mark.parametrize("shape", ["text", "srt", "vtt"])
async def test_texts_and_subtitles_pass(hearing: Hearing, shape: Any) -> None:
    async with sdk(hearing.gateway) as client:
        create: Any = client.audio.transcriptions.create
        found = await create(
            model="lab/m", file=("a.wav", (FILES / "tone.wav").read_bytes()), response_format=shape
        )
    assert found == f"{TEXT}\n"
    (row,) = hearing.rows()
    assert row.cost_nanousd == 100_000  # a quarter of a second, which the file tells


async def test_pieces_of_a_text_come_in_events(hearing: Hearing) -> None:
    async with sdk(hearing.gateway) as client:
        events = await client.audio.transcriptions.create(
            model="lab/m", file=("a.mp3", MP3), stream=True
        )
        kinds = [event.type async for event in events]
    assert kinds == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    (row,) = hearing.rows()
    assert (row.stream, row.input_uncached, row.output) == (True, 14, 6)


async def test_a_server_without_streams_answers_whole(hearing: Hearing) -> None:
    hearing.script = [answer(200, {"text": TEXT})]
    reply = await hearing.ask(model="odd/m", stream="true")
    assert (reply.headers["content-type"], reply.json()) == ("application/json", {"text": TEXT})


async def test_another_provider_gets_the_same_file(hearing: Hearing) -> None:
    hearing.script = [answer(503, {"error": {"message": "later"}})]
    reply = await hearing.ask(model="any", response_format="json")
    assert (reply.status_code, reply.headers["x-omniroute-attempts"]) == (200, "2")
    assert [form.file for form in hearing.heard()] == [MP3]
    hearing.script = [answer(200, {"error": {"message": "no ears"}})]
    assert (await hearing.ask(model="odd/m")).status_code >= 500


async def test_a_provider_of_another_format_hears_too(hearing: Hearing) -> None:
    async with sdk(hearing.gateway) as client:
        create: Any = client.audio.transcriptions.create
        asked: Any = {"model": "deep/m", "file": ("a.mp3", MP3)}
        plain = await create(**asked, language="en", prompt="names")
        whole = await create(
            **asked, response_format="verbose_json", timestamp_granularities=["word"]
        )
        subtitles = await create(**asked, response_format="srt")
        text = await create(**asked, response_format="text")
        spoken = await create(**asked, response_format="diarized_json")
    assert plain.text == TEXT
    assert (whole.language, whole.duration, whole.words[0].word) == ("en", 2.5, "Good")
    assert [(one.id, one.end, one.text) for one in whole.segments] == [
        (0, 1.25, "Good morning."),
        (1, 2.5, "How are you?"),
    ]
    cues = ["1", "00:00:00,000 --> 00:00:01,250", "Good morning.", "", "2"]
    assert subtitles.splitlines()[:5] == cues
    assert text == f"{TEXT}\n"
    assert next((one.speaker, one.text) for one in spoken.segments) == ("0", "Good morning.")
    rows = hearing.rows()
    assert [(one.status, one.cost_nanousd, one.dropped) for one in rows] == [
        (200, 300_000, ("prompt",)),
        *[(200, 300_000, ())] * 4,
    ]
    refused = await hearing.ask(model="deep/m", language="klingon")
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        400,
        "Bad Request: language",
    )
    streamed = await hearing.ask(model="deep/m", stream="true")
    assert (streamed.status_code, streamed.json()["error"]["param"]) == (400, "stream")


async def test_an_answer_that_takes_several_requests(hearing: Hearing) -> None:
    hearing.assembly.polls = 2
    async with sdk(hearing.gateway) as client:
        create: Any = client.audio.transcriptions.create
        asked: Any = {"model": "parts/m", "file": ("a.mp3", MP3)}
        whole = await create(**asked, response_format="verbose_json", language="en")
        hearing.assembly.polls = 1
        spoken = await create(**asked, response_format="diarized_json")
    assert (whole.text, whole.duration, whole.language) == (TEXT, 3, "en")
    assert [(one.start, one.end, one.text) for one in whole.segments] == [
        (0.0, 0.85, "Good morning."),
        (1.25, 2.25, "How are you?"),
    ]
    assert [one.speaker for one in spoken.segments] == ["A", "A"]
    assert [one.cost_nanousd for one in hearing.rows()] == [300_000, 300_000]
    hearing.assembly.says = "no speech in it"
    failed = await hearing.ask(model="parts/m")
    hearing.assembly.says = None
    assert (failed.status_code, failed.json()["error"]["message"]) == (502, "no speech in it")


async def test_the_second_transport_sends_files_too(hearing: Hearing) -> None:
    assert (await hearing.ask(model="slow/m")).json()["text"] == TEXT
    assert [form.file for form in hearing.heard()] == [MP3]


@pytest.mark.parametrize(
    ("file", "fields", "status", "param"),
    [
        (None, {}, 415, None),
        (("a.mp3", b""), {}, 400, "file"),
        (("a.mp3", b"not audio at all"), {}, 400, "file"),
        (("a.mp3", MP3), {"response_format": "rtf"}, 400, "response_format"),
        (("a.mp3", MP3), {"model": ""}, 400, "model"),
        (("a.mp3", MP3), {"model": "echo"}, 404, "model"),
        (("a.mp3", MP3), {"prompt": "x" * 300_000}, 413, "prompt"),
    ],
    ids=["no-parts", "empty", "no-audio", "format", "no-model", "chat-model", "long-field"],
)
async def test_refusals_name_the_field(
    hearing: Hearing, file: Any, fields: dict[str, Any], status: int, param: str | None
) -> None:
    reply = await hearing.ask(file, **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)
    assert hearing.good.requests == []


BODIES = {
    "no-file": (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n',
        "file",
    ),
    "other-file": (
        b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\nm\r\n--b--\r\n',
        "x",
    ),
    "two-files": (
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nm\r\n' * 2 + b"--b--\r\n",
        "file",
    ),
    "no-end": (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nm', None),
    "no-parts": (b"hello", None),
    "no-name": (b"--b\r\nContent-Disposition: form-data\r\n\r\nm\r\n--b--\r\n", "file"),
    "no-text": (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\r\n--b--\r\n',
        "model",
    ),
}


@pytest.mark.parametrize(("body", "param"), BODIES.values(), ids=BODIES)
async def test_bodies_that_are_no_forms(hearing: Hearing, body: bytes, param: str | None) -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    reply = await hearing.gateway.client.post(PATH, content=body, headers=kind)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_a_client_that_stops_sending_is_told_so(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insides, "SILENCE_S", 0.05)
    reader, writer = await _begin(hearing.gateway)
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()
    assert _open_files(hearing.gateway) == 0


async def test_a_client_that_leaves_leaves_nothing(hearing: Hearing) -> None:
    _, writer = await _begin(hearing.gateway)
    await until(lambda: _open_files(hearing.gateway) == 1)
    writer.transport.abort()
    await until(lambda: _open_files(hearing.gateway) == 0)


async def _begin(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the beginning of a file, and no more."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 999999\r\n"
    writer.write(head.encode() + b"content-type: multipart/form-data; boundary=b\r\n\r\n")
    writer.write(b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + MP3)
    await writer.drain()
    return reader, writer


def _open_files(gateway: Gateway) -> int:
    """Files of clients that are held: they have no name any more."""
    folder = str(gateway.folder)
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    targets: list[str] = []
    for link in links:
        try:
            targets.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return sum(target.startswith(folder) and target.endswith("(deleted)") for target in targets)


async def test_what_is_too_large_is_refused_before_and_while_it_comes(hearing: Hearing) -> None:
    before = await hearing.ask(("a.mp3", MP3 + bytes(MOST)))
    assert (before.status_code, before.json()["error"]["type"]) == (413, "invalid_request_error")

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + MP3
        for _ in range(MOST >> 18):
            yield bytes(1 << 18)
        yield b"\r\n--b--\r\n"

    kind = {"content-type": "multipart/form-data; boundary=b"}
    while_it_comes = await hearing.gateway.client.post(PATH, content=body(), headers=kind)
    assert (while_it_comes.status_code, while_it_comes.json()["error"]["param"]) == (413, "file")
    assert _open_files(hearing.gateway) == 0


async def test_a_large_file_is_never_held_in_memory(hearing: Hearing) -> None:
    process, peak, digest = psutil.Process(), 0, sha256()
    size = 40 << 20

    async def body() -> AsyncIterator[bytes]:
        nonlocal peak
        yield b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nraw/m\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for number in range(size >> 18):
            piece = b"ID3" + bytes([number % 251]) * ((1 << 18) - 3)
            digest.update(piece)
            peak = max(peak, process.memory_info().rss)
            yield piece
        yield b"\r\n--b--\r\n"

    got = sha256()

    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal peak
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        before = await reader.readuntil(b"audio/mpeg\r\n\r\n")
        left -= len(before)
        file = size
        while left:
            piece = await reader.read(min(left, 1 << 16))
            got.update(piece[:file])
            left, file = left - len(piece), max(0, file - len(piece))
            peak = max(peak, process.memory_info().rss)
        writer.write(answer(200, {"text": TEXT}))
        await writer.drain()

    hearing.serve = sink
    began = process.memory_info().rss
    kind = {"content-type": "multipart/form-data; boundary=b"}
    reply = await hearing.gateway.client.post(PATH, content=body(), headers=kind)
    assert reply.json() == {"text": TEXT}
    assert got.digest() == digest.digest()
    assert peak - began < 16 << 20


async def test_a_provider_that_refuses_unread_is_heard(hearing: Hearing) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(413, {"error": {"message": "25 MiB are enough"}}))
        await writer.drain()
        await hold.wait()

    hold = asyncio.Event()
    hearing.serve = refuse
    reply = await hearing.ask(("a.mp3", MP3 + bytes(8 << 20)), model="raw/m")
    hold.set()
    assert (reply.status_code, reply.json()["error"]["message"]) == (413, "25 MiB are enough")


async def test_what_a_file_says_of_itself_without_a_key(hearing: Hearing) -> None:
    file = io.BytesIO((FILES / "tone.wav").read_bytes())
    file.name = "tone.wav"
    async with sdk(hearing.gateway) as client:
        found = await client.audio.transcriptions.create(model="echo-transcription", file=file)
        subtitles = await client.audio.transcriptions.create(
            model="echo-transcription", file=("a", MP3), response_format="vtt"
        )
    assert found.text == "4044 bytes of wav."
    assert subtitles.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.629")
    assert (await hearing.gateway.client.get(PATH)).status_code == 405
