"""A format of one's own: a table in a folder beside the configuration, while the server runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from omniroute.active.tables import read_tables
from omniroute.cli.main import cli
from tests.running import Gateway, running
from tests.scripted import Recorded, Script, respond, scripted_upstream

PARROT = """\
format: parrot
paths: {chat: /speak}
framing: ndjson
auth: {header: x-parrot-key, template: "{key}"}
maps: {stop: {done: end_turn, cut: max_tokens}}
request:
  decode: {messages: [{role: "'user'", blocks: [{type: "'text'", text: say}]}]}
  encode:
    bird: model
    say: "plain_text(messages[-1].blocks)"
    stream: {$when: "var('stream')", $then: {$lit: true}}
response:
  decode:
    blocks: [{type: "'text'", text: said}]
    stop: "lookup('stop', why)"
    usage: {output: count}
  encode: {said: "plain_text(blocks)"}
errors: {decode: {message: squawk}, encode: {squawk: message}}
stream:
  decode:
    - {$when: piece, $then: {block: "'t'", kind: "'text'", text: piece}}
    - {$when: why, $then: {stop: "lookup('stop', why)", usage: {output: count}, end: {$lit: true}}}
"""
LOUD = PARROT.replace('say: "plain_text', 'volume: "\'loud\'"\n    say: "plain_text')
BROKEN = PARROT.replace("lookup('stop', why)", "lookup('stop', why", 1)
OVERRIDING = read_tables()["openai-chat.yaml"].replace(
    "  encode:\n    model: model\n", "  encode:\n    model: model\n    overridden: \"'yes'\"\n", 1
)
KEYS = f"""
keys:
  root: {{hash: "sha256:{hashlib.sha256(b"omr_root").hexdigest()}", roles: [admin, inference]}}
"""
TALK: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
INPUT = {"model": "cage/p", "input": "hello"}
ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", {"model": "cage/p", "messages": TALK}),
    "openai-responses": ("/v1/responses", INPUT),
    "anthropic": ("/v1/messages", {"model": "cage/p", "max_tokens": 9, "messages": TALK}),
    "gemini": (
        "/v1beta/models/cage/p:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    ),
    "ollama": ("/api/chat", {"model": "cage/p", "messages": TALK, "stream": False}),
}


def config(url: str, *, format: str = "parrot") -> str:
    return f"""
version: 1
providers:
  cage:
    format: {format}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:PARROT_KEY:-cracker}}"}}}}
    models: {{p: {{}}}}
"""


def speak(request: Recorded) -> Script:
    asked = request.json()
    said = f"{asked['say']}!"
    end = {"why": "done", "count": 2}
    if asked.get("stream"):
        lines = [{"piece": said[:3]}, {"piece": said[3:]}, end]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        return [respond(body.encode(), content_type="application/x-ndjson")]
    return [respond(json.dumps({"said": said, **end}).encode())]


async def ask(gateway: Gateway, client: str, *, stream: bool = False) -> Any:
    path, body = ASKS[client]
    if stream and client == "gemini":
        path = path.replace("generateContent", "streamGenerateContent")
    elif stream:
        body = {**body, "stream": True}
    reply = await gateway.client.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return reply


@pytest.mark.parametrize("client", ASKS)
async def test_a_format_of_one_s_own_serves_every_client(tmp_path: Path, client: str) -> None:
    async with (
        scripted_upstream(speak) as upstream,
        running(
            tmp_path, config(upstream.url), others={"translators/parrot.yaml": PARROT}
        ) as gateway,
    ):
        whole = await ask(gateway, client)
        assert "hello!" in whole.text
        streamed = await ask(gateway, client, stream=True)
        assert "hel" in streamed.text
        assert '"lo!"' in streamed.text
        sent = upstream.requests[0]
        assert (sent.target, sent.headers["x-parrot-key"]) == ("/speak", "cracker")
        assert [request.json() for request in upstream.requests] == [
            {"bird": "p", "say": "hello"},
            {"bird": "p", "say": "hello", "stream": True},
        ]


async def test_a_table_changes_under_a_running_server(tmp_path: Path) -> None:
    async with (
        scripted_upstream(speak) as upstream,
        running(
            tmp_path, config(upstream.url), others={"translators/parrot.yaml": PARROT}
        ) as gateway,
    ):
        await ask(gateway, "openai-chat")
        gateway.save(LOUD, "translators/parrot.yaml")
        await gateway.until_generation(2)
        await ask(gateway, "openai-chat")
        assert [request.json().get("volume") for request in upstream.requests] == [None, "loud"]


async def test_a_folder_of_tables_appears_under_a_running_server(tmp_path: Path) -> None:
    async with (
        scripted_upstream(speak) as upstream,
        running(tmp_path, config(upstream.url, format="openai-chat")) as gateway,
    ):
        gateway.save(PARROT, "translators/parrot.yaml")
        await gateway.until_generation(2)
        gateway.save(config(upstream.url))
        await gateway.until_generation(3)
        assert "hello!" in (await ask(gateway, "anthropic")).text


async def test_a_broken_table_leaves_the_old_one_and_says_where(tmp_path: Path) -> None:
    async with (
        scripted_upstream(speak) as upstream,
        running(
            tmp_path, config(upstream.url) + KEYS, others={"translators/parrot.yaml": PARROT}
        ) as gateway,
    ):
        gateway.client.headers["authorization"] = "Bearer omr_root"
        gateway.save(BROKEN, "translators/parrot.yaml")
        await gateway.until_failures(1)
        assert "hello!" in (await ask(gateway, "openai-chat")).text
        reply = await gateway.client.get("/api/config")
        assert reply.status_code == 200, reply.text
        shown = reply.json()["reload"]
        errors = [row for row in shown["diagnostics"] if row["severity"] == "error"]
        places = [(row["file"], row["line"], row["column"]) for row in errors]
        file = str(tmp_path / "translators" / "parrot.yaml")
        assert (shown["ok"], places) == (False, [(file, 15, 30)])
        checked = CliRunner().invoke(cli, ["check", "-c", str(tmp_path / "omniroute.yaml")])
        assert checked.exit_code == 1
        assert f"{file}:15:30" in checked.output


async def test_a_table_of_the_same_name_takes_the_shipped_one_s_place(tmp_path: Path) -> None:
    def answer(request: Recorded) -> Script:
        choice = {"index": 0, "message": {"content": "hello!"}, "finish_reason": "stop"}
        return [respond(json.dumps({"id": "c", "choices": [choice]}).encode())]

    async with (
        scripted_upstream(answer) as upstream,
        running(
            tmp_path,
            config(upstream.url, format="openai-chat"),
            others={"translators/mine.yaml": OVERRIDING},
        ) as gateway,
    ):
        assert "hello!" in (await ask(gateway, "anthropic")).text
        (tmp_path / "translators" / "mine.yaml").unlink()
        await gateway.until_generation(2)
        await ask(gateway, "anthropic")
        found = [request.json().get("overridden") for request in upstream.requests]
        assert found == ["yes", None]
