"""Servers that answer in the other delivery than they were asked for, in every format."""

from __future__ import annotations

from itertools import product
from typing import Any, cast

import orjson
import pytest

from omniroute.errors import UpstreamCutError, UpstreamReportedError
from omniroute.translation.failures import StreamFailedError
from omniroute.translation.values import Usage
from omniroute.wire.arrived import events_of
from tests.translation.tables import formats, target
from tests.upstreams.dialect import Received
from tests.upstreams.scenario import Call, Scenario, Text
from tests.upstreams.seen import Seen
from tests.upstreams.server import DIALECTS

FORMATS = formats()
PAIRS = list(product(DIALECTS, DIALECTS))
CHAT, ANTHROPIC, GEMINI = "openai-chat", "anthropic", "gemini"
ASKED: dict[str, dict[str, Any]] = {
    "openai-chat": {"messages": [{"role": "user", "content": "hi"}]},
    "openai-responses": {"input": "hi"},
    "anthropic": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "ollama": {"messages": [{"role": "user", "content": "hi"}]},
}
SAID = Scenario(
    blocks=(Text(("Hello", " from", " afar: é€😀")), Call(tool=0, arguments={"city": "Zürich"})),
    stop="tool",
)
COUNTED = (20, 9)
MADE = ("id", "call_id", "item_id", "responseId", "created", "created_at", "completed_at")


def asked(name: str, *, stream: bool) -> dict[str, Any]:
    plain = {"model": "m", **ASKED[name]}
    if name == CHAT and stream:
        plain["stream_options"] = {"include_usage": True}
    return plain if name == GEMINI else {**plain, "stream": stream}


def given(name: str) -> tuple[bytes, bytes]:
    """The same answer whole, and as a stream."""
    seen = Seen(model="m", stream=True, tools=("look",))
    request = Received(
        method="POST", path="", query={"alt": "sse"}, headers={}, raw=b"",
        body=asked(name, stream=True),
    )  # fmt: skip
    dialect = DIALECTS[name]()
    frames = dialect.frames(seen, SAID, request)
    return orjson.dumps(dialect.whole(seen, SAID)), b"".join(frame.data for frame in frames)


def plain(node: Any) -> Any:
    """Without what is made anew for each answer."""
    if type(node) is list:
        return [plain(item) for item in cast(list[Any], node)]
    if type(node) is not dict:
        return node
    members = cast(dict[str, Any], node)
    return {name: plain(value) for name, value in members.items() if name not in MADE}


def counts(usage: Usage) -> tuple[int, int]:
    """What every format tells."""
    return (usage.input_uncached or 0) + (usage.cache_read or 0), usage.output or 0


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_in_the_place_of_a_whole_answer(client: str, upstream: str) -> None:
    pair, body = FORMATS.pair(client, upstream), asked(client, stream=False)
    whole, frames = given(upstream)
    right = pair.reply(whole, body, target())
    folded = pair.reply(frames, body, target())
    if client != upstream:  # where they are equal, `right` is the provider's own bytes
        assert plain(orjson.loads(folded.body)) == plain(orjson.loads(right.body))
    words = orjson.loads(folded.body)
    assert "Zürich" in str(words)
    assert "Hello from afar: é€😀" in str(words)
    assert (counts(folded.usage), folded.stop) == (COUNTED, "tool_use")


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_whole_answer_in_the_place_of_a_stream(client: str, upstream: str) -> None:
    pair, body = FORMATS.pair(client, upstream), asked(client, stream=True)
    whole, frames = given(upstream)
    where = target(stream=True)
    right = pair.stream(body, where)
    right_bytes = right.feed(frames) + right.finish()
    stream, told = pair.retell(whole, body, where)
    same = FORMATS.pair(client, client)
    assert plain(orjson.loads(same.fold(told, body, target()))) == plain(
        orjson.loads(same.fold(right_bytes, body, target()))
    )
    assert (stream.started, stream.done, stream.failure) == (True, True, None)
    assert (counts(stream.usage), stream.stop) == (COUNTED, "tool_use")


def test_first_bytes_tell_what_comes() -> None:
    for name in DIALECTS:
        whole, frames = given(name)
        pair = FORMATS.pair(CHAT, name)
        assert not pair.is_whole(frames[:1]), name
        # Of a stream of lines a whole answer is the last line.
        assert pair.is_whole(b"\n" + whole) is (name != "ollama")
        assert pair.is_whole(b"[{")
        assert not pair.is_whole(b"")


def test_an_array_in_the_place_of_events() -> None:
    """Google's own way to stream, where `alt=sse` is not known."""
    _, frames = given(GEMINI)
    chunks = [orjson.loads(event.data) for event in events_of(frames)]
    body, array = asked(ANTHROPIC, stream=True), orjson.dumps(chunks)
    for client in (ANTHROPIC, GEMINI):
        pair = FORMATS.pair(client, GEMINI)
        stream, told = pair.retell(array, asked(client, stream=True), target(stream=True))
        right = pair.stream(asked(client, stream=True), target(stream=True))
        assert told == right.feed(frames) + right.finish()
        assert counts(stream.usage) == COUNTED
    reply = FORMATS.pair(ANTHROPIC, GEMINI).reply(array, body, target())
    assert orjson.loads(reply.body)["content"][1]["input"] == {"city": "Zürich"}


BUSY = b'data: {"error": {"message": "no room for you", "type": "server_error", "code": 503}}\n\n'


@pytest.mark.parametrize("client", [CHAT, ANTHROPIC])
def test_a_failure_stays_one(client: str) -> None:
    pair = FORMATS.pair(client, CHAT)
    with pytest.raises(StreamFailedError) as found:
        pair.reply(BUSY, asked(client, stream=False), target())
    assert found.value.failure.message == "no room for you"
    with pytest.raises(UpstreamReportedError):
        pair.retell(BUSY[6:], asked(client, stream=True), target(stream=True))
    _, frames = given(CHAT)
    for cut in (
        frames[: len(frames) // 3],
        b"",
        b"\n",
        b"Bad Gateway",
        b'{"id": "x", "cho',
        b"[1]",
    ):
        with pytest.raises(UpstreamCutError):
            pair.reply(cut, asked(client, stream=False), target())
        with pytest.raises(UpstreamCutError):
            pair.retell(cut, asked(client, stream=True), target(stream=True))


def test_what_is_lost_between_deliveries_is_named() -> None:
    whole, frames = given(CHAT)
    pair, more = FORMATS.pair(CHAT, CHAT), {"n": 2, "logprobs": True}
    stream, _ = pair.retell(whole, asked(CHAT, stream=True) | more, target(stream=True))
    reply = pair.reply(frames, asked(CHAT, stream=False) | more, target())
    assert set(stream.dropped) == set(reply.dropped) == {"n", "logprobs"}
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    answer = orjson.loads(given(ANTHROPIC)[0])
    signed = orjson.dumps({**answer, "content": [thought, *answer["content"]]})
    pair, body = FORMATS.pair(ANTHROPIC, ANTHROPIC), asked(ANTHROPIC, stream=True)
    assert pair.retell(signed, body, target(stream=True))[0].dropped == ("signature",)
