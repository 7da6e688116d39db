"""What Claude Code wants of a gateway in front of Anthropic, and in front of another maker."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct

from tests.chat import COMPLETION
from tests.running import Gateway, running
from tests.scripted import Recorded, Script, ScriptedUpstream, respond, scripted_upstream, sse_head

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "lab-credential-of-nobody"  # noqa: S105 - nobody's
CONFIG = """
version: 1
providers:
  anthropic-like:
    format: anthropic
    base_url: {url}
    allow_private_network: true
    models: {{m: {{}}}}
    connections: {{main: {{api_key: "${{env:LAB_KEY:-{secret}}}"}}}}
  strange:
    format: anthropic
    base_url: {url}
    allow_private_network: true
    models: {{m: {{}}}}
    connections: {{main: {{}}}}
  other:
    format: openai-chat
    base_url: {url}
    allow_private_network: true
    models: {{m: {{}}}}
    connections: {{main: {{}}}}
resilience:
  retry: {{attempts: 1}}
  breaker: {{failures: 0}}
  cooldown: {{error: 0s, rate_limited: 0s}}
"""
HEADERS = (
    ("request-id", "req_011CZ"),
    ("anthropic-ratelimit-tokens-remaining", "12000"),
    ("anthropic-ratelimit-unified-5h-utilization", "0.4"),
    ("x-should-retry", "false"),
    ("set-cookie", "a=b"),
    ("anthropic-organization-id", "org"),
)
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
RETURNED = {name for name, _ in HEADERS[:4]}


class Lab(Struct):
    """A gateway before providers that answer as each test sets it."""

    gateway: Gateway
    upstream: ScriptedUpstream
    script: Script = ()

    async def ask(self, model: str, script: Script, **more: Any) -> httpx.Response:
        self.script = script
        turns = [{"role": "user", "content": "hi"}]
        body = {"model": model, "max_tokens": 9, "messages": turns, **more}
        headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "new-2027-01-01,other"}
        return await self.gateway.client.post("/v1/messages", json=body, headers=headers)

    @property
    def sent(self) -> Recorded:
        return self.upstream.requests[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Lab]:
    async with scripted_upstream(lambda _: made.script) as upstream:
        text = CONFIG.format(url=upstream.url, secret=SECRET)
        async with running(tmp_path_factory.mktemp("claude"), text) as gateway:
            made = Lab(gateway, upstream)
            yield made


async def test_betas_that_nobody_knows_and_unknown_fields_reach_anthropic(lab: Lab) -> None:
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    whole = respond(json.dumps(ANSWER).encode(), headers=HEADERS)
    reply = await lab.ask("anthropic-like/m", [whole], context_management=edits, brand_new={"a": 1})
    assert reply.status_code == 200
    assert lab.sent.headers["anthropic-beta"] == "new-2027-01-01,other"
    assert lab.sent.json()["context_management"] == edits
    assert lab.sent.json()["brand_new"] == {"a": 1}
    assert "X-OmniRoute-Dropped" not in reply.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropics_headers_reach_the_client(lab: Lab, *, stream: bool) -> None:
    begin = {**ANSWER, "content": [], "stop_reason": None}
    frames = [
        {"type": "message_start", "message": begin},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": ANSWER["usage"]},
        {"type": "message_stop"},
    ]
    told = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in frames)
    whole = respond(json.dumps(ANSWER).encode(), headers=HEADERS)
    streamed = sse_head(headers=HEADERS) + told.encode()
    reply = await lab.ask("anthropic-like/m", [streamed if stream else whole], stream=stream)
    assert {name: reply.headers[name] for name in RETURNED} == dict(HEADERS[:4])
    assert not {"set-cookie", "anthropic-organization-id"} & reply.headers.keys()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8", "new": 1}),
        (429, {"type": "rate_limit_error", "message": "slow down"}),
        (529, {"type": "overloaded_error", "message": "Overloaded"}),
    ],
)
async def test_anthropics_errors_reach_the_client_as_they_came(
    lab: Lab, status: int, error: dict[str, Any]
) -> None:
    body = json.dumps({"type": "error", "error": error, "request_id": "req_011CZ"}, indent=1)
    reply = await lab.ask(
        "anthropic-like/m", [respond(body.encode(), status=status, headers=HEADERS)]
    )
    assert (reply.status_code, reply.json()) == (status, json.loads(body))
    assert {name: reply.headers[name] for name in RETURNED} == dict(HEADERS[:4])
    assert "set-cookie" not in reply.headers


async def test_a_credential_in_an_error_is_masked(lab: Lab) -> None:
    body = json.dumps({"type": "error", "error": {"type": "api_error", "message": f"no {SECRET}"}})
    reply = await lab.ask("anthropic-like/m", [respond(body.encode(), status=400)])
    assert reply.status_code == 400
    assert SECRET not in reply.text


async def test_what_anthropic_holds_against_the_gateways_key_is_not_the_clients(lab: Lab) -> None:
    error = {"type": "authentication_error", "message": "invalid x-api-key"}
    body = json.dumps({"type": "error", "error": error})
    reply = await lab.ask("strange/m", [respond(body.encode(), status=401)])
    assert reply.json()["error"]["message"].startswith('no route for "strange/m"')


async def test_another_makers_errors_and_headers_stay_there(lab: Lab) -> None:
    body = json.dumps({"error": {"message": "no such thing", "type": "invalid_request_error"}})
    reply = await lab.ask("other/m", [respond(body.encode(), status=400, headers=HEADERS)])
    error = reply.json()["error"]
    assert (reply.json()["type"], error["message"]) == ("error", "no such thing")
    assert not RETURNED & reply.headers.keys()


async def test_what_vanishes_towards_another_maker_is_named(lab: Lab) -> None:
    reply = await lab.ask(
        "other/m",
        [respond(json.dumps(COMPLETION).encode())],
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        tools=[{"name": "look", "input_schema": {"type": "object"}, "defer_loading": True}],
    )
    dropped = reply.headers["X-OmniRoute-Dropped"].split(",")
    assert {"context_management", "defer_loading"} <= {name.strip() for name in dropped}
    assert "anthropic-beta" not in lab.sent.headers


async def test_the_line_that_changes_each_time_leaves_another_makers_prompt(lab: Lab) -> None:
    prompts: list[str] = []
    for mark in ("cch=1a2b3;", "cch=9f8e7;"):
        line = {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1; {mark}"}
        system = [line, {"type": "text", "text": "You are a coding agent."}]
        await lab.ask("other/m", [respond(json.dumps(COMPLETION).encode())], system=system)
        prompts.append(json.dumps(lab.sent.json()["messages"]))
    assert prompts[0] == prompts[1]
    assert "coding agent" in prompts[0]
