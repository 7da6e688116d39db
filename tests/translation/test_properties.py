"""What holds for every body and every stream, whatever the formats."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.base.bigjson import read_json, write_json
from omniroute.errors import TranslationError, UpstreamCutError, UpstreamReportedError
from omniroute.translation.hub import settle_stop
from omniroute.translation.pair import context
from omniroute.translation.stream import TranslatedStream
from omniroute.translation.values import Failure, Stream
from tests.translation.golden import cases, load, upstream_bytes
from tests.translation.tables import compiled, formats, target

NAMES = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
PAIRS = [pytest.param(a, b, id=f"{a} to {b}") for a in NAMES for b in NAMES]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


CASES = [load(path) for path in cases()]
STREAMS = [case for case in CASES if "stream" in case["given"]]


def _given(part: str, side: str) -> dict[str, list[bytes]]:
    """Real bodies by the format that they are written in: only those reach its every row."""
    return {
        name: [
            write_json(c["given"][part]) for c in CASES if part in c["given"] and c[side] == name
        ]
        for name in NAMES
    }


REQUESTS, REPLIES = _given("request", "client"), _given("reply", "upstream")
EVENTS = {
    name: sorted(
        write_json(event)
        for case in STREAMS
        if case["upstream"] == name
        for event in case["given"]["stream"]
        if isinstance(event, dict)
    )
    for name in NAMES
}
few = settings(max_examples=settings().max_examples // 12)
"""There are 25 pairs."""


def _places(node: Any) -> list[Any]:
    return [*cast(dict[str, Any], node)] if isinstance(node, dict) else [*range(len(node))]


@st.composite
def spoiled(draw: st.DrawFn, bodies: list[bytes]) -> Any:
    """A real body in which one place holds something else."""
    body: Any = read_json(bodies[draw(st.integers(0, len(bodies) - 1))])
    node: Any = body
    while True:
        places = _places(node)
        if not places:
            return body
        place = draw(st.sampled_from(places))
        if isinstance(node[place], dict | list) and draw(st.booleans()):
            node = node[place]
            continue
        node[place] = draw(JSON)
        return body


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@few
@given(data=st.data(), streamed=st.booleans())
def test_any_request_is_sent_or_refused(
    client: str, upstream: str, data: st.DataObject, *, streamed: bool
) -> None:
    body = data.draw(spoiled(REQUESTS[client]))
    pair = formats().pair(client, upstream)
    try:
        formats().client(client).facts(body)
        sent = pair.request(body, b"", target(stream=streamed))
    except TranslationError:
        return
    assert isinstance(read_json(sent.body), dict)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@few
@given(data=st.data())
def test_any_answer_is_translated_or_a_cut(client: str, upstream: str, data: st.DataObject) -> None:
    body = data.draw(spoiled(REPLIES[upstream]) | st.dictionaries(TEXT, JSON, max_size=3))
    try:
        reply = formats().pair(client, upstream).reply(write_json(body), {}, target())
    except (UpstreamCutError, UpstreamReportedError):
        return
    assert isinstance(read_json(reply.body), dict)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@few
@given(data=st.data(), noise=st.binary(max_size=20))
def test_any_stream_ends_or_is_cut(
    client: str, upstream: str, data: st.DataObject, noise: bytes
) -> None:
    events = data.draw(st.lists(spoiled(EVENTS[upstream]), max_size=6))
    stream = formats().pair(client, upstream).stream({}, target(stream=True))
    try:
        stream.feed(upstream_bytes(upstream, [e for e in events if isinstance(e, dict)]))
        stream.feed(noise)
        stream.finish()
    except UpstreamCutError:
        pass
    assert isinstance(stream.ping(), bytes)
    assert isinstance(stream.fail(Failure(kind="timeout", status=504, message="late")), bytes)


@pytest.mark.parametrize("upstream", NAMES)
@given(status=st.integers(300, 599), body=st.binary(max_size=40) | JSON.map(write_json))
def test_any_error_is_classified(upstream: str, status: int, body: bytes) -> None:
    failure = formats().pair("anthropic", upstream).failure(status, {"retry-after": "x"}, body)
    assert failure.status == (status if status >= 400 else 502)
    assert failure.message
    for client in NAMES:
        assert read_json(formats().client(client).error(failure, "r"))


@given(number=st.integers(0, len(STREAMS) - 1), data=st.data())
def test_the_split_of_a_stream_does_not_matter(number: int, data: st.DataObject) -> None:
    case = STREAMS[number]
    raw = upstream_bytes(case["upstream"], case["given"]["stream"])
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=12))

    def run(edges: list[int]) -> bytes:
        pair = formats().pair(case["client"], case["upstream"])
        stream: Stream = pair.stream(case["given"]["request"], target(stream=True))
        return b"".join(stream.feed(raw[start:end]) for start, end in pairwise(edges))

    assert run([0, *sorted(cuts), len(raw)]) == run([0, len(raw)])


def _call(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"call_{number}", "name": name, "input": arguments}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _thought(text: str) -> dict[str, Any]:
    return {"type": "thinking", "text": text}


def _picture(number: int) -> dict[str, Any]:
    data = f"iVBORw0KGgoAAAANSUhEUgAA{number:04}"
    return {"type": "image", "source": {"kind": "base64", "media_type": "image/png", "data": data}}


def _call_id(call: dict[str, Any]) -> str:
    return call["id"]


CALLS = st.builds(
    _call,
    st.integers(0, 10**6),
    st.sampled_from(["f", "g"]),
    st.dictionaries(TEXT, JSON, max_size=3),
)
PLAIN_TEXT = st.builds(_text, WORDS)
PICTURE = st.builds(_picture, st.integers(0, 99))


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """Hub requests in normal form, of what both formats can say."""
    messages: list[Any] = [{"role": "user", "blocks": draw(st.lists(PLAIN_TEXT, min_size=1))}]
    for _ in range(draw(st.integers(0, 3))):
        calls = draw(st.lists(CALLS, max_size=2, unique_by=_call_id))
        said = draw(st.lists(PLAIN_TEXT, min_size=0 if calls else 1, max_size=2))
        messages.append({"role": "assistant", "blocks": said + calls})
        results: list[Any] = [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": draw(st.lists(PLAIN_TEXT, min_size=1, max_size=2)),
            }
            for call in calls
        ]
        words = draw(st.lists(PLAIN_TEXT | PICTURE, min_size=0 if calls else 1, max_size=2))
        messages.append({"role": "user", "blocks": results + words})
    hub: dict[str, Any] = {"model": "m", "messages": messages}
    if draw(st.booleans()):
        hub["system"] = draw(st.lists(PLAIN_TEXT, min_size=1, max_size=2))
    if draw(st.booleans()):
        hub["tools"] = [{"name": "f", "description": "d", "schema": {"type": "object"}}]
        mode = draw(st.sampled_from([None, "auto", "any", "none", "tool"]))
        if mode:
            hub["tool_choice"] = {"mode": mode} | ({"name": "f"} if mode == "tool" else {})
    output: dict[str, Any] = {"max_tokens": draw(st.integers(16, 9000))}
    hub["output"] = output
    if draw(st.booleans()):
        output["stop"] = draw(st.lists(WORDS, min_size=1, max_size=4))
    if draw(st.booleans()):
        hub["sampling"] = {"temperature": draw(st.sampled_from([0, 0.5, 1])), "top_p": 0.5}
    return hub


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ollama"])
@given(hub=conversations())
def test_a_request_comes_back_as_it_was(name: str, hub: dict[str, Any]) -> None:
    functions = compiled(name).functions
    for row in compiled(name).unsupported:
        parent, _, last = row.field.rpartition(".")
        if row.when is None and parent in hub:
            hub[parent].pop(last, None)
    body = functions["request.encode"](hub, _context())
    back = functions["request.decode"](read_json(write_json(body)), _context())
    assert _normal({"model": "m", **back}) == _normal(hub)


def _normal(hub: dict[str, Any]) -> dict[str, Any]:
    """What a tool said in one text, as some formats have no more than that; defaults unsaid."""
    for tool in hub.get("tools", ()):
        if tool.get("strict") is False:
            del tool["strict"]
    for message in hub["messages"]:
        for block in message["blocks"]:
            if block.get("detail") == "auto":
                del block["detail"]
            if block["type"] == "tool_result":
                texts = [part["text"] for part in block["content"]]
                block["content"] = [_text("".join(texts))]
    return hub


@given(hub=conversations())
def test_a_request_without_ids_comes_back_to_its_calls(hub: dict[str, Any]) -> None:
    """Where results find their calls by name and order, and a turn is one text with pictures."""
    hub.pop("tool_choice", None)
    functions = compiled("ollama").functions
    body = functions["request.encode"](hub, _context())
    back = functions["request.decode"](read_json(write_json(body)), _context())
    assert _story(back) == _story(hub)
    assert {**back, "messages": [], "system": []} == {**hub, "messages": [], "system": []} | (
        {} if "system" in hub else {"system": []}
    )


def _story(hub: dict[str, Any]) -> list[Any]:
    """Who said what, with each result told by the call that it answers."""
    story: list[Any] = ["\n".join(block["text"] for block in hub.get("system", ()))]
    calls: dict[str, Any] = {}
    for message in hub["messages"]:
        blocks = message["blocks"]
        told: dict[str, Any] = {
            "text": "".join(block["text"] for block in blocks if block["type"] == "text"),
            "images": [block for block in blocks if block["type"] == "image"],
        }
        for block in blocks:
            if block["type"] == "tool_use":
                calls[block["id"]] = (block["name"], block["input"])
                told[f"call {len(told)}"] = calls[block["id"]]
            elif block["type"] == "tool_result":
                texts = "".join(part["text"] for part in block["content"])
                told[f"result {len(told)}"] = (calls[block["tool_use_id"]], texts)
        story.append((message["role"], told))
    return story


@st.composite
def answers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The blocks of an answer, in the order in which both formats give them."""
    blocks = draw(st.lists(st.builds(_thought, WORDS), max_size=1))
    blocks += draw(st.lists(PLAIN_TEXT, min_size=0 if blocks else 1, max_size=1))
    return blocks + draw(st.lists(CALLS, max_size=3, unique_by=_call_id))


@pytest.mark.parametrize("name", NAMES)
@given(blocks=answers())
def test_an_answer_comes_back_as_it_was(name: str, blocks: list[Any]) -> None:
    hub = _answer(blocks)
    functions = compiled(name).functions
    body: Any = read_json(write_json(functions["response.encode"](hub, _context())))
    back = functions["response.decode"](body, _context())
    if name == "ollama":  # which has no ids
        back["id"] = hub["id"]
        for block, own in zip(back["blocks"], blocks, strict=True):
            block.update({key: own[key] for key in ("id",) if key in own})
    assert [_bare(block) for block in back["blocks"]] == blocks
    assert settle_stop(back["stop"], blocks) == hub["stop"]


@pytest.mark.parametrize("other", ["anthropic", "openai-responses"])
@given(blocks=answers(), sizes=st.integers(1, 5))
def test_a_folded_stream_is_the_full_answer(other: str, blocks: list[Any], sizes: int) -> None:
    """From one format's stream into the other's and back again, the answer stays the same."""
    chat, messages = compiled("openai-chat"), compiled(other)
    whole = chat.functions["response.encode"](_answer(blocks), _context())
    expected = chat.functions["response.decode"](whole, _context())
    there = TranslatedStream(messages, chat, _context())
    written = there.feed(_chunks(whole, sizes)) + there.finish()
    back = TranslatedStream(chat, messages, _context())
    back.feed(written)
    back.finish()
    for stream in (there, back):
        folded = stream.folded()
        assert [_bare(block) for block in folded["blocks"]] == expected["blocks"]
        assert folded["stop"] == expected["stop"]
        assert {"cache_write": 0, **expected["usage"]} == {"cache_write": 0, **folded["usage"]}


def _bare(block: dict[str, Any]) -> dict[str, Any]:
    """Without what only streams have, and what seals a thought for some clients."""
    return {key: value for key, value in block.items() if key not in ("tool", "json", "signature")}


def _context() -> dict[str, Any]:
    return context(target(), {})


def _answer(blocks: list[Any]) -> dict[str, Any]:
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": "a1",
        "model": "m",
        "blocks": blocks,
        "stop": "tool_use" if calls else "end_turn",
        "usage": {"input_uncached": 3, "cache_read": 2, "output": 5, "reasoning": 1},
    }


def _chunks(whole: dict[str, Any], size: int) -> bytes:
    """A chat answer as its stream, in pieces of `size` characters, calls interleaved."""
    message = whole["choices"][0]["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning_content", "content"):
        deltas += [{name: piece} for piece in _pieces(message.get(name) or "", size)]
    rows: list[list[dict[str, Any]]] = []
    for index, call in enumerate(message.get("tool_calls") or []):
        first = {"index": index, "id": call["id"], "function": {"name": call["function"]["name"]}}
        pieces = _pieces(call["function"]["arguments"], size)
        rows.append([first, *({"index": index, "function": {"arguments": p}} for p in pieces)])
    for number in range(max((len(row) for row in rows), default=0)):
        deltas += [{"tool_calls": [row[number]]} for row in rows if number < len(row)]
    head = {"id": whole["id"], "model": whole["model"], "created": whole["created"]}
    events: list[Any] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    finish = whole["choices"][0]["finish_reason"]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({**head, "choices": [], "usage": whole["usage"]})
    return upstream_bytes("openai-chat", [*events, "[DONE]"])


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
