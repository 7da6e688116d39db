"""Where clients ask is what the tables say, also a user's own, also after a reload."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from tests.running import ECHO, running
from tests.translation.test_clients import CLIENT
from tests.translation.test_table import SMALL

TABLE = "translators/small.yaml"
WORKING = (
    SMALL.replace(
        "decode: {messages: {$each: messages, $as: {$use: part}}}", "decode: {$use: asked}"
    )
    .replace("encode: {id: id}", "encode: {said: 'plain_text(blocks)'}")
    .replace(
        "mappings:",
        "facts: {model: model}\nmappings:\n  asked:\n    model: model\n"
        '    messages: [{role: "\'user\'", blocks: "parts(text)"}]',
    )
    + CLIENT
)
ASK = {"model": "echo", "text": "hi"}
KEY = "omr_test-key-0123456789"


async def test_a_table_brings_its_paths_and_takes_them_away(tmp_path: Path) -> None:
    text = ECHO + "auth: {dashboard: {require_login: false}}\n"
    async with running(tmp_path, text) as gateway:
        client = gateway.client
        assert (await client.post("/small/chat", json=ASK)).status_code == 404

        gateway.save(WORKING, TABLE)
        await gateway.until_generation(2)
        reply = await client.post("/small/chat", json=ASK)
        assert (reply.status_code, reply.json()) == (200, {"said": "hi"})
        reply = await client.post("/small/echo%2Fecho:count", json={"text": "one two three"})
        assert (reply.status_code, set(reply.json())) == (200, {"tokens"})
        assert (await client.get("/small/echo/echo")).json() == {"id": "echo/echo"}
        assert "/small/{path}" in (await client.get("/api/openapi.json")).json()["paths"]

        (tmp_path / TABLE).unlink()
        await gateway.until_generation(3)
        reply = await client.post("/small/chat", json=ASK)
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_path")
        assert (await client.get("/v1/models")).status_code == 200


async def test_what_is_not_there_is_told_as_the_table_says(tmp_path: Path) -> None:
    async with running(tmp_path, others={TABLE: WORKING}) as gateway:
        for method, path, status, allow in (
            ("POST", "/small/none/of/it", 404, None),
            ("POST", "/small/echo:guess", 404, None),
            ("GET", "/small/nobody", 404, None),
            ("GET", "/small/chat", 405, "POST"),
            ("PUT", "/small/chat", 405, "POST"),
        ):
            reply = await gateway.client.request(method, path, json=ASK)
            assert (reply.status_code, set(reply.json())) == (status, {"error"}), (method, path)
            assert isinstance(reply.json()["error"], str)  # the table's own envelope
            assert allow is None or allow in reply.headers["allow"]


async def test_a_key_stands_where_the_table_says(tmp_path: Path) -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    text = f'{ECHO}auth: {{require_api_key: true}}\nkeys: {{app: {{hash: "sha256:{digest}"}}}}\n'
    async with running(tmp_path, text, others={TABLE: WORKING}) as gateway:
        client = gateway.client
        for headers, query, status in (
            ({"small-key": KEY}, "", 200),
            ({}, f"?k={KEY}", 200),
            ({"x-api-key": KEY}, "", 200),
            ({"small-key": "omr_wrong"}, "", 401),
            ({}, "", 401),
        ):
            reply = await client.post(f"/small/chat{query}", json=ASK, headers=headers)
            assert reply.status_code == status, reply.text


async def test_policies_do_not_see_a_key_of_any_format(tmp_path: Path) -> None:
    seen = """when: 'request.headers."small-key"', action: deny"""
    text = f"{ECHO}policies: [{{id: leak, {seen}}}]\n"
    async with running(tmp_path, text, others={TABLE: WORKING}) as gateway:
        reply = await gateway.client.post("/small/chat", json=ASK, headers={"small-key": "x"})
        assert reply.status_code == 200, reply.text


async def test_the_gateways_own_paths_stay_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    greedy = WORKING.replace("POST /small/chat", "POST /api/config/reload")
    with caplog.at_level(logging.WARNING):
        async with running(tmp_path, others={TABLE: greedy}) as gateway:
            reply = await gateway.client.post("/api/config/reload", json=ASK)
            assert reply.status_code == 401
    assert "POST /api/config/reload stays the gateway's own" in caplog.text


async def test_a_path_that_two_formats_claim_is_found_before_it_is_served(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        gateway.save(WORKING.replace("/small/chat", "/v1/chat/completions"), TABLE)
        await gateway.until_failures(1)
        (found,) = gateway.runtime.reloader.status.diagnostics
        assert "is where clients of openai-chat ask already" in found.message
        assert str(found).startswith(str(tmp_path / TABLE))
        assert (await gateway.client.get("/v1/models")).status_code == 200
