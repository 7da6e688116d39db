"""Responses over a WebSocket: the official SDK's own client, to providers of every format."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Opcode

from omniroute.http.edge import websocket
from omniroute.http.inference.sockets import MAX_WAITING
from omniroute.ledger.record import RequestRecord, parse_line
from tests.chat import STREAM_HEAD, WHOLE_STREAM, delta
from tests.matrix.bench import FORMATS, PROVIDER
from tests.running import DEADLINE_S, Gateway, running, until
from tests.scripted import HANG, Script, ScriptedUpstream, scripted_upstream
from tests.upstreams.server import Upstream
from tests.upstreams.server import running as upstream_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONFIG = """
version: 1
server: {{max_body: 1MiB, cors: {{origins: ["https://good.example"]}}}}
resilience: {{retry: {{attempts: 1}}, breaker: {{failures: 0}}, cooldown: {{error: 0s}}}}
providers:
  lab: {{format: openai-chat, base_url: "{url}/v1", allow_private_network: true, models: {{m: {{}}}}, connections: {{main: {{}}}}}}
"""  # noqa: E501
ASK = {"type": "response.create", "model": "lab/m", "input": "hi", "store": False}


class Lab(Struct):
    """A gateway before a provider that plays a script, and one of every format."""

    gateway: Gateway
    scripted: ScriptedUpstream
    upstreams: dict[str, Upstream]
    script: Script = ()

    def connect(self, **more: Any) -> connect:
        url = self.gateway.url.replace("http", "ws") + "/v1/responses"
        return connect(url, max_size=None, proxy=None, **more)

    @property
    def records(self) -> list[RequestRecord]:
        spool = self.gateway.folder / "data" / "spool"
        files = [path for path in spool.rglob("*") if path.is_file()]
        lines = [line for path in files for line in path.read_bytes().splitlines()]
        return [parse_line(line) for line in lines]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    async with AsyncExitStack() as stack:
        scripted = await stack.enter_async_context(scripted_upstream(lambda _: made.script))
        text = CONFIG.format(url=scripted.url)
        upstreams: dict[str, Upstream] = {}
        for name in FORMATS:
            upstreams[name] = await stack.enter_async_context(upstream_of(name))
            text += PROVIDER.format(name=name, url=upstreams[name].url)
        gateway = await stack.enter_async_context(running(tmp_path_factory.mktemp("sockets"), text))
        made = Lab(gateway, scripted, upstreams)
        yield made


async def told(socket: ClientConnection) -> list[dict[str, Any]]:
    """The events up to the end of an answer."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_S):
        while not events or events[-1]["type"] not in ENDS:
            events.append(json.loads(await socket.recv()))
    return events


ENDS = ("response.completed", "response.failed", "response.incomplete", "error")


def said(event: dict[str, Any]) -> str:
    return "".join(part["text"] for item in event["response"]["output"] for part in item["content"])


@pytest.mark.parametrize("name", FORMATS)
async def test_the_official_client_holds_a_conversation_with_every_format(
    lab: Lab, name: str
) -> None:
    lab.upstreams[name].forget()
    url = f"{lab.gateway.url}/v1"
    async with (
        openai.AsyncOpenAI(base_url=url, api_key="any") as client,
        client.responses.connect() as socket,
    ):
        previous = None
        for text in ("My name is Ada.", "What is my name?"):
            await socket.response.create(
                model=f"up-{name}/text", input=text, store=False, previous_response_id=previous
            )
            words = ""
            async for event in socket:
                assert event.type != "error", event
                words += event.delta if event.type == "response.output_text.delta" else ""
                if event.type == "response.completed":
                    assert event.response.output_text == words != ""
                    previous = event.response.id
                    break
    first, second = lab.upstreams[name].seen
    assert len(first.turns) == 1
    assert [turn.role for turn in second.turns] == ["user", "assistant", "user"]


async def test_each_answer_is_a_row_of_its_own(lab: Lab) -> None:
    before = len(lab.records)
    lab.script = WHOLE_STREAM
    async with lab.connect() as socket:
        for _ in range(2):
            await socket.send(json.dumps(ASK))
            assert said((await told(socket))[-1]) == "Hello"
    await until(lambda: len(lab.records) == before + 2)
    rows = lab.records[before:]
    assert [(row.status, row.stream, row.path, row.output) for row in rows] == [
        (200, True, "/v1/responses", 4)
    ] * 2
    assert rows[0].request_id != rows[1].request_id


async def test_a_request_may_only_prepare_the_next(lab: Lab) -> None:
    lab.script = WHOLE_STREAM
    asked = len(lab.scripted.requests)
    async with lab.connect() as socket:
        await socket.send(json.dumps({**ASK, "input": "My name is Ada.", "generate": False}))
        events = await told(socket)
        assert [event["type"] for event in events] == [
            *("response.created", "response.in_progress", "response.completed")
        ]
        assert len(lab.scripted.requests) == asked
        previous = events[-1]["response"]["id"]
        await socket.send(json.dumps({**ASK, "input": [], "previous_response_id": previous}))
        assert said((await told(socket))[-1]) == "Hello"
    assert lab.scripted.requests[-1].json()["messages"] == [
        {"role": "user", "content": "My name is Ada."}
    ]


async def test_what_is_gone_on_from_is_forgotten_with_the_socket(lab: Lab) -> None:
    lab.script = WHOLE_STREAM
    async with lab.connect() as socket:
        await socket.send(json.dumps(ASK))
        previous = (await told(socket))[-1]["response"]["id"]
    async with lab.connect() as socket:
        await socket.send(json.dumps({**ASK, "previous_response_id": previous}))
        (event,) = await told(socket)
    assert (event["status"], event["error"]["code"]) == (400, "previous_response_not_found")


@pytest.mark.parametrize(
    ("message", "status", "param"),
    [
        ("{", 400, None),
        ("[]", 400, None),
        ('{"type": "response.cancel"}', 400, "type"),
        (json.dumps({**ASK, "model": "nothing"}), 404, "model"),
        (json.dumps({**ASK, "input": 5}), 400, "input"),
    ],
)
async def test_a_mistake_is_told_and_the_socket_stays(
    lab: Lab, message: str, status: int, param: str | None
) -> None:
    lab.script = WHOLE_STREAM
    async with lab.connect() as socket:
        await socket.send(message)
        (event,) = await told(socket)
        assert (event["type"], event["status"]) == ("error", status)
        assert event["error"]["param"] == param
        await socket.send(json.dumps(ASK))
        assert said((await told(socket))[-1]) == "Hello"


async def test_two_turns_at_once_are_answered_one_after_the_other(lab: Lab) -> None:
    lab.script = WHOLE_STREAM
    async with lab.connect() as socket:
        for lane in ("a", "b"):
            await socket.send(json.dumps({**ASK, "stream_id": lane}))
        lanes = [event["stream_id"] for event in (*await told(socket), *await told(socket))]
    assert lanes == sorted(lanes)
    assert set(lanes) == {"a", "b"}


async def test_a_client_that_never_waits_is_told_to(lab: Lab) -> None:
    hold = asyncio.Event()
    lab.script = [hold, *WHOLE_STREAM]
    asked = len(lab.scripted.requests)
    async with lab.connect() as socket:
        await socket.send(json.dumps(ASK))
        await lab.scripted.received(asked + 1)
        for _ in range(MAX_WAITING + 1):
            await socket.send(json.dumps(ASK))
        (event,) = await told(socket)
        assert (event["status"], event["error"]["code"]) == (429, "too_many_turns")
        hold.set()
        for _ in range(MAX_WAITING + 1):
            assert said((await told(socket))[-1]) == "Hello"


async def test_a_client_that_closes_in_mid_turn_frees_its_provider(lab: Lab) -> None:
    before = len(lab.records)
    lab.script = [STREAM_HEAD, delta("Hel"), HANG]
    lab.scripted.left.clear()
    async with lab.connect() as socket:
        await socket.send(json.dumps(ASK))
        while "delta" not in json.loads(await socket.recv())["type"]:
            continue
    await lab.scripted.wait_left()
    await until(lambda: len(lab.records) == before + 1)
    assert (lab.records[-1].status, lab.records[-1].error_class) == (499, "client_closed")


async def test_a_provider_that_breaks_off_ends_the_answer_and_not_the_socket(lab: Lab) -> None:
    lab.script = [STREAM_HEAD, delta("Hel"), delta("lo"), b"0\r\n\r\n"]
    async with lab.connect() as socket:
        await socket.send(json.dumps(ASK))
        assert (await told(socket))[-1]["type"] == "response.failed"
        lab.script = WHOLE_STREAM
        await socket.send(json.dumps(ASK))
        assert said((await told(socket))[-1]) == "Hello"


async def test_messages_are_compressed_where_the_client_can(lab: Lab) -> None:
    lab.script = WHOLE_STREAM
    async with lab.connect() as socket:
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        await socket.send(json.dumps(ASK))
        assert said((await told(socket))[-1]) == "Hello"
    async with lab.connect(compression=None) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await socket.send(json.dumps(ASK))
        assert said((await told(socket))[-1]) == "Hello"


async def close_code_of(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(DEADLINE_S):
        await socket.wait_closed()
    return socket.close_code


async def test_a_deflate_bomb_is_cut_off(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "DRAIN_S", 0.05)
    async with lab.connect() as socket:
        bomb = zlib.compressobj(wbits=-12)
        data = bomb.compress(b" " * (64 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH)[:-4]
        frame = bytearray([0x80 | 0x40 | Opcode.TEXT, 0x80 | 127, *len(data).to_bytes(8, "big")])
        frame += bytes(4) + data
        socket.transport.write(bytes(frame))
        assert await close_code_of(socket) == CloseCode.MESSAGE_TOO_BIG


async def test_a_message_that_is_too_long_or_no_text_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "DRAIN_S", 0.05)
    async with lab.connect(compression=None) as socket:
        await socket.send(" " * (2 << 20))
        assert await close_code_of(socket) == CloseCode.MESSAGE_TOO_BIG
    async with lab.connect() as socket:
        await socket.send(b"{}")
        assert await close_code_of(socket) == CloseCode.UNSUPPORTED_DATA


async def test_a_client_that_is_dead_is_found_out(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.05)
    async with lab.connect(close_timeout=0.05) as socket:
        socket.transport.pause_reading()  # what it is asked it does not see
        await until(lambda: not open_sockets(lab))


async def test_a_client_that_says_nothing_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.02)
    lab.script = WHOLE_STREAM
    async with lab.connect(ping_interval=None) as socket:
        pinged = asyncio.Event()
        answer = socket.protocol.recv_frame
        count = 0

        def heard(frame: Any) -> None:
            nonlocal count
            count += frame.opcode is Opcode.PING
            if count == 3:
                pinged.set()
            answer(frame)

        socket.protocol.recv_frame = heard  # type: ignore[method-assign]
        async with asyncio.timeout(DEADLINE_S):
            await pinged.wait()
        await socket.send(json.dumps(ASK))
        assert said((await told(socket))[-1]) == "Hello"


def open_sockets(lab: Lab) -> int:
    return len([task for task in asyncio.all_tasks() if "_Conversation" in repr(task.get_coro())])


async def test_a_slow_reader_slows_its_provider(lab: Lab) -> None:
    piece = delta("x" * 4096)
    lab.script = [STREAM_HEAD, *[piece] * 8_000, *WHOLE_STREAM[2:]]
    before = lab.scripted.written_bytes
    async with lab.connect(compression=None, max_queue=1, close_timeout=0.05) as socket:
        await socket.send(json.dumps(ASK))
        socket.transport.pause_reading()
        await until(lambda: lab.scripted.written_bytes > before)
        seen = -1
        while lab.scripted.written_bytes != seen:  # until nothing moves any more
            seen = lab.scripted.written_bytes
            await asyncio.sleep(0.1)
        assert 0 < lab.scripted.written_bytes - before < 24 << 20


async def test_a_page_of_another_origin_opens_nothing(lab: Lab) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with lab.connect(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with lab.connect(origin="https://good.example"):
        pass


async def test_without_an_upgrade_the_path_says_what_it_is(lab: Lab) -> None:
    reply = await lab.gateway.client.get("/v1/responses")
    assert (reply.status_code, reply.headers["upgrade"]) == (426, "websocket")


async def test_no_room_is_kept_when_all_are_gone(lab: Lab) -> None:
    recollections = lab.gateway.runtime.recollections
    await until(lambda: not open_sockets(lab))
    assert recollections.held_bytes == 0


async def test_a_server_that_stops_says_so(lab: Lab, tmp_path: Path) -> None:
    lab.script = WHOLE_STREAM
    async with running(tmp_path, CONFIG.format(url=lab.scripted.url)) as gateway:
        idle = await connect(gateway.url.replace("http", "ws") + "/v1/responses", proxy=None)
        await idle.send(json.dumps(ASK))
        assert said((await told(idle))[-1]) == "Hello"
    assert await close_code_of(idle) == CloseCode.GOING_AWAY


async def test_a_key_is_asked_for_at_the_door_and_at_each_turn(lab: Lab, tmp_path: Path) -> None:
    lab.script = WHOLE_STREAM
    key = "omr_some-key"
    digest = hashlib.sha256(key.encode()).hexdigest()
    text = CONFIG.format(url=lab.scripted.url)
    guarded = f"{text}keys: {{k: {{hash: sha256:{digest}}}}}\n"
    async with running(tmp_path, guarded) as gateway:
        url = gateway.url.replace("http", "ws") + "/v1/responses"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, proxy=None):
                pass
        assert refused.value.response.status_code == 401
        headers = {"authorization": f"Bearer {key}"}
        async with connect(url, additional_headers=headers, proxy=None) as socket:
            await socket.send(json.dumps(ASK))
            assert said((await told(socket))[-1]) == "Hello"
            gateway.save(guarded.replace(digest, digest[::-1]))
            await gateway.until_generation(2)
            await socket.send(json.dumps(ASK))
            (event,) = await told(socket)
            assert (event["status"], event["error"]["code"]) == (401, "invalid_api_key")
