"""What a client cannot decide: where its request goes, with whose key, and for how long it may."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import running
from tests.scripted import Recorded, scripted_upstream

ELSEWHERE: Final = "http://127.0.0.1:9"
WISHES: Final[dict[str, Any]] = {
    "api_base": ELSEWHERE,
    "base_url": ELSEWHERE,
    "custom_host": ELSEWHERE,
    "api_key": "stolen",
    "extra_headers": {"x-evil": "1"},
    "extra_query": {"evil": "1"},
    "extra_body": {"model": "evil"},
    "aws_access_key_id": "evil",
    "aws_region_name": "evil",
    "model_list": [{"model_name": "evil"}],
    "fallbacks": ["evil"],
}
HEADERS: Final = {
    "x-portkey-custom-host": ELSEWHERE,
    "x-base-url": ELSEWHERE,
    "x-api-base": ELSEWHERE,
    "x-forwarded-host": "evil.example",
    "openai-organization": "evil",
    "x-evil": "1",
    "cookie": "session=evil",
}
MESSAGES: Final = {"max_tokens": 9, "messages": ASK["messages"], "model": ASK["model"]}


def plain(request: Recorded) -> tuple[str, dict[str, str]]:
    """What decides about place and identity, without what differs from one request to the next."""
    own = {"content-length", "x-request-id", "host"}
    return request.target, {k: v for k, v in request.headers.items() if k not in own}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v1/chat/completions", ASK, id="passed through"),
        pytest.param("/v1/messages", MESSAGES, id="translated"),
    ],
)
async def test_no_field_header_or_query_moves_a_request(
    tmp_path: Path, path: str, body: dict[str, Any]
) -> None:
    async with (
        scripted_upstream([answer(200, COMPLETION)]) as upstream,
        running(tmp_path, lab(upstream.url)) as gateway,
    ):
        client = gateway.client
        assert (await client.post(path, json=body)).status_code == 200
        query = {"api_base": ELSEWHERE, "base_url": ELSEWHERE, "provider": "evil"}
        asked = await client.post(path, json=WISHES | body, headers=HEADERS, params=query)
        assert asked.status_code == 200, asked.text
        usual, moved = upstream.requests
        assert plain(moved) == plain(usual)
        assert moved.json()["model"] == usual.json()["model"]


async def test_a_key_that_is_taken_away_is_refused_at_once(tmp_path: Path) -> None:
    def config(app: str) -> str:
        digest = hashlib.sha256(b"omr_app").hexdigest()
        other = hashlib.sha256(b"omr_other").hexdigest()
        entry = app.format(digest=digest)
        return lab(
            upstream.url,
            f"auth: {{require_api_key: true}}\nkeys:\n  other: {{hash: 'sha256:{other}'}}\n{entry}",
        )

    async with scripted_upstream([answer(200, COMPLETION)]) as upstream:
        lives = "  app: {{hash: 'sha256:{digest}'}}\n"
        async with running(tmp_path, config(lives)) as gateway:

            async def status() -> int:
                headers = {"authorization": "Bearer omr_app"}
                reply = await gateway.client.post("/v1/chat/completions", json=ASK, headers=headers)
                return reply.status_code

            assert await status() == 200
            for generation, entry in enumerate(
                (
                    "  app: {{hash: 'sha256:{digest}', disabled: true}}\n",
                    lives,
                    "  app: {{hash: 'sha256:{digest}', expires: 2020-01-01}}\n",
                    "",
                ),
                start=2,
            ):
                gateway.save(config(entry))
                await gateway.until_generation(generation)
                assert await status() == (200 if entry == lives else 401), entry
