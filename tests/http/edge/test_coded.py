"""Bodies in a content coding, as Codex sends them: decoded within the bounds of plain ones."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.running import ECHO, Gateway, running

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND = 64 << 10
ENCODE = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
SAID = "Grüße, 世界"
MESSAGES = [{"role": "user", "content": SAID}]
ASKS = {
    "/v1/chat/completions": {"model": "echo", "messages": MESSAGES},
    "/v1/responses": {"model": "echo", "input": SAID},
    "/v1/messages": {"model": "echo", "messages": MESSAGES, "max_tokens": 99},
    "/v1beta/models/echo:generateContent": {"contents": [{"parts": [{"text": SAID}]}]},
    "/api/chat": {"model": "echo", "messages": MESSAGES, "stream": False},
    "/v1/embeddings": {"model": "echo-embedding", "input": SAID},
    "/v1/messages/count_tokens": {"model": "echo", "messages": MESSAGES},
    "/api/config/check": {"text": ECHO},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("coded")
    text = ECHO + "auth: {dashboard: {require_login: false}}\nserver: {max_body: 64KiB}\n"
    async with running(folder, text) as served:
        yield served


@pytest.mark.parametrize("path", ASKS)
async def test_a_coded_body_is_as_good_as_a_plain_one(gateway: Gateway, path: str) -> None:
    plain = await gateway.client.post(path, json=ASKS[path])
    assert plain.status_code == 200, plain.text
    for coding, encode in ENCODE.items():
        body = encode(json.dumps(ASKS[path]).encode())
        coded = await gateway.client.post(path, content=body, headers={"content-encoding": coding})
        assert coded.status_code == 200, (coding, coded.text)
        if SAID in plain.text:
            assert SAID in coded.text


@pytest.mark.parametrize("coding", ENCODE)
async def test_a_bomb_is_refused_in_the_clients_envelope(gateway: Gateway, coding: str) -> None:
    bomb = ENCODE[coding](b" " * (8 << 20))
    assert len(bomb) < BOUND
    headers = {"content-encoding": coding}
    told = await gateway.client.post("/v1/messages", content=bomb, headers=headers)
    assert (told.status_code, told.json()["error"]["type"]) == (413, "request_too_large")
    assert "decoded" in told.json()["error"]["message"]
    told = await gateway.client.post("/v1/responses", content=bomb, headers=headers)
    assert (told.status_code, told.json()["error"]["type"]) == (413, "invalid_request_error")


async def test_the_bound_is_exact(gateway: Gateway) -> None:
    ask = json.dumps(ASKS["/v1/chat/completions"]).encode()
    for size, status in ((BOUND, 200), (BOUND + 1, 413)):
        told = await gateway.client.post(
            "/v1/chat/completions",
            content=gzip.compress(ask.ljust(size)),
            headers={"content-encoding": "gzip"},
        )
        assert told.status_code == status


async def test_what_is_too_large_as_it_comes_is_not_decoded(gateway: Gateway) -> None:
    told = await gateway.client.post(
        "/v1/messages", content=b"\0" * (BOUND + 1), headers={"content-encoding": "zstd"}
    )
    assert told.status_code == 413
    assert "decoded" not in told.json()["error"]["message"]


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", b"{}", id="not coded at all"),
        pytest.param("gzip", gzip.compress(b"{}")[:-1], id="half a gzip"),
        pytest.param("zstd", zstd.compress(b"{}")[:-1], id="half a frame"),
        pytest.param("zstd", zstd.compress(b"{}")[:6] + b"\xff" * 6, id="damaged"),
        pytest.param("gzip", gzip.compress(b"") * 1100, id="a thousand empty members"),
    ],
)
async def test_a_damaged_body_is_told_so(gateway: Gateway, coding: str, body: bytes) -> None:
    told = await gateway.client.post(
        "/v1/messages", content=body, headers={"content-encoding": coding}
    )
    assert (told.status_code, told.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "cannot be decoded" in told.json()["error"]["message"]


async def test_an_unknown_coding_is_told_the_known_ones(gateway: Gateway) -> None:
    told = await gateway.client.post(
        "/v1/messages", content=b"{}", headers={"content-encoding": "br"}
    )
    assert told.status_code == 415
    assert told.headers["accept-encoding"] == "gzip, deflate, zstd"
