"""What a request's row tells of it: who asked with what, what served it, and what that saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omniroute.ledger.queries import freshen, open_ledger
from tests.chat import ASK, COMPLETION, DONE, STREAM_END, STREAM_HEAD, answer, chunked, delta, lab
from tests.running import Gateway, running
from tests.scripted import Script, scripted_upstream

COMMIT = "0123456789abcdef0123456789abcdef01234567"
USED = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 0,
    "output_tokens": 4,
    "service_tier": "priority",
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USED,
}
CHEAP = """  claude:
    format: anthropic
    base_url: {url}
    allow_private_network: true
    models: {{m: {{price: {{input: 2, output: 8, cached_input: 1, cache_write: 3}}}}}}
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
"""


async def rows(folder: Path, script: Script, *asks: dict[str, Any]) -> list[dict[str, Any]]:
    """What the ledger has of requests, in their order."""
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(f"{COMMIT}\n")
    more = "cache: {exact: {enabled: true}}\n"
    async with scripted_upstream(script) as upstream:
        config = lab(upstream.url, more, CHEAP.format(url=upstream.url))
        async with running(folder, config) as gateway:
            for ask in asks:
                await asked(gateway, **ask)
    freshen(folder / "data", patience_s=5)
    with open_ledger(folder / "data", patience_s=5) as database:
        found = database.execute("FROM requests ORDER BY time")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]


async def asked(
    gateway: Gateway, *, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    reply = await gateway.client.post(path, json=body, headers=headers)
    assert reply.status_code == 200, reply.text


async def test_a_coding_tool_s_agents_can_be_told_apart(tmp_path: Path) -> None:
    body = {
        "model": "claude/m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "metadata": {"user_id": "user_x_account_y_session_z"},
    }
    headers = {
        "user-agent": "claude-cli/2.1.0 (external, cli)",
        "x-claude-code-session-id": "s-1",
        "x-claude-code-agent-id": "a-2",
        "x-claude-code-parent-agent-id": "a-1",
    }
    script = [answer(200, MESSAGE, request_id="req_011")]
    (row,) = await rows(
        tmp_path, script, {"path": "/v1/messages", "body": body, "headers": headers}
    )
    told = ("client", "client_version", "session", "agent", "parent_agent", "git_commit")
    assert {name: row[name] for name in told} == {
        "client": "claude-cli",
        "client_version": "2.1.0",
        "session": "s-1",
        "agent": "a-2",
        "parent_agent": "a-1",
        "git_commit": COMMIT,
    }
    assert (row["upstream_request_id"], row["service_tier"]) == ("req_011", "priority")
    # 100 tokens at half of 2 dollars a million.
    assert row["saved_nanousd"] == 100_000


async def test_own_agents_and_programs_name_themselves(tmp_path: Path) -> None:
    headers = {"x-title": "Nightly", "x-agent-id": "triage", "x-parent-agent-id": "boss"}
    ask = {"path": "/v1/chat/completions", "body": {**ASK, "temperature": 0}, "headers": headers}
    script = [answer(200, {**COMPLETION, "service_tier": "flex"}, x_request_id="up-1")]
    first, again = await rows(tmp_path, script, ask, ask)
    assert (first["client"], first["agent"], first["parent_agent"]) == ("Nightly", "triage", "boss")
    assert (first["service_tier"], first["upstream_request_id"]) == ("flex", "up-1")
    assert first["saved_nanousd"] == 6_000
    assert (again["cache"], again["cost_nanousd"]) == ("hit", 0)
    assert again["saved_nanousd"] == first["cost_nanousd"] > 0
    assert (again["upstream_request_id"], again["service_tier"]) == (None, None)


async def test_a_stream_tells_its_tier_translated_or_not(tmp_path: Path) -> None:
    usage: dict[str, Any] = {
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        "service_tier": "scale",
    }
    told = chunked(f"data: {json.dumps(usage)}\n\n".encode())
    stream = [STREAM_HEAD, delta("hi"), delta(finish="stop"), told, DONE, STREAM_END]
    body = {**ASK, "stream": True}
    passed, translated = await rows(
        tmp_path,
        stream,
        {"path": "/v1/chat/completions", "body": body},
        {"path": "/v1/messages", "body": {**body, "max_tokens": 9}},
    )
    assert (passed["service_tier"], translated["service_tier"]) == ("scale", "scale")
    assert passed["saved_nanousd"] is None


async def test_the_rule_that_refused_stands_apart_from_its_place(tmp_path: Path) -> None:
    more = "policies:\n  - {id: nobody, when: '`true`', action: deny}\n"
    async with (
        scripted_upstream([]) as upstream,
        running(tmp_path, lab(upstream.url, more)) as gateway,
    ):
        reply = await gateway.client.post("/v1/chat/completions", json=ASK)
        assert reply.status_code == 403
    freshen(tmp_path / "data", patience_s=5)
    with open_ledger(tmp_path / "data", patience_s=5) as database:
        (row,) = database.execute("SELECT rule, rule_place, client FROM requests").fetchall()
    assert row[0] == "policy:nobody"
    assert row[1].endswith("omniroute.yaml:12:5")
    assert row[2] == "python-httpx"
