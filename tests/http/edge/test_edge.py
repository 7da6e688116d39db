"""What is wrong with a request, and what the client is told."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path

import orjson
import pytest

from omniroute.catalog.presets import load_presets
from omniroute.http.edge import insides
from omniroute.http.edge.routes import Surface
from tests.running import ECHO, Gateway, running
from tests.surface import routes

KEY = "omr_test-key-0123456789"
GUARDED = (
    ECHO
    + f"""
auth: {{require_api_key: true}}
keys:
  app: {{hash: "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}", models: ["echo/*"]}}
  ops: {{hash: "sha256:{hashlib.sha256(b"omr_ops").hexdigest()}", roles: [viewer]}}
  root: {{hash: "sha256:{hashlib.sha256(b"omr_root").hexdigest()}", roles: [admin, inference]}}
  old: {{hash: "sha256:{hashlib.sha256(b"omr_old").hexdigest()}", expires: 2020-01-01}}
"""
)
ASK = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
TURNS = b'{"messages": [{"role": "user", "content": "hi"}]'
CHAT = "/v1/chat/completions"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        pytest.param(b"{", 400, None, id="cut JSON"),
        pytest.param(b"", 400, None, id="no body"),
        pytest.param(b"[]", 400, None, id="a list"),
        pytest.param(b"\xff\xfe", 400, None, id="not UTF-8"),
        pytest.param(b"[" * 5000, 400, None, id="nested too deep"),
        pytest.param(TURNS + b"}", 400, "model", id="no model"),
        pytest.param(TURNS + b', "model": 3}', 400, "model", id="model is a number"),
        pytest.param(TURNS + b', "model": "nope/x"}', 404, "model", id="unknown model"),
        pytest.param(b'{"model": "echo", "messages": "x"}', 400, "messages", id="messages is text"),
        pytest.param(TURNS + b', "stream": "yes"}', 400, "stream", id="stream is text"),
    ],
)
async def test_a_bad_body_is_told_with_its_field(
    tmp_path: Path, body: bytes, status: int, param: str | None
) -> None:
    async with running(tmp_path) as gateway:
        reply = await gateway.client.post(CHAT, content=body)
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
        assert reply.headers["x-request-id"]


async def test_a_body_beyond_the_bound_is_413_also_after_a_reload(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO + "server: {max_body: 1KiB}\n") as gateway:
        big = {**ASK, "x": "y" * 2000}
        reply = await gateway.client.post(CHAT, json=big)
        assert (reply.status_code, reply.json()["error"]["type"]) == (413, "invalid_request_error")
        gateway.save(ECHO + "server: {max_body: 8KiB}\n")
        await gateway.until_generation(2)
        async with gateway.fresh_client() as client:
            assert (await client.post(CHAT, json=big)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"content-encoding": "br"}, 415, id="an unknown coding"),
        pytest.param({"content-encoding": "identity"}, 200, id="not coded"),
        pytest.param({"x-long": "a" * 12_000}, 200, id="a long header"),
        pytest.param({"x-long": "a" * 20_000}, 431, id="too long a header"),
    ],
)
async def test_heads_have_bounds_of_their_own(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with running(tmp_path, ECHO + "server: {max_body: 1KiB}\n") as gateway:
        reply = await gateway.client.post(CHAT, json=ASK, headers=headers)
        assert reply.status_code == status, reply.text
        assert reply.headers["x-request-id"]
        if status != 200:
            assert "max_body" not in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("framing", "part"),
    [
        pytest.param("content-length: 100", b"{", id="length"),
        pytest.param("content-length: 100", b"", id="no byte"),
        pytest.param("transfer-encoding: chunked", b"5\r\n{", id="chunks"),
    ],
)
async def test_a_body_that_stalls_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framing: str, part: bytes
) -> None:
    monkeypatch.setattr(insides, "SILENCE_S", 0.05)
    async with running(tmp_path) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n".encode() + part)
        async with asyncio.timeout(10):
            answer = await reader.read()  # up to the end: the connection is closed
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"took too long to arrive" in answer
        assert b"x-request-id" in answer.lower()


async def test_head_answers_as_get_without_a_body(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        for path in ("/healthz", "/readyz", "/v1/models"):
            full, bare = await gateway.client.get(path), await gateway.client.head(path)
            assert (bare.status_code, bare.content) == (200, b"")
            assert bare.headers["content-length"] == full.headers["content-length"]
            assert "alt-svc" not in full.headers
        assert (await gateway.client.head(CHAT)).status_code == 405


async def test_a_model_is_found_by_its_id_as_sdks_quote_it(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        for path in ("/v1/models/echo/echo", "/v1/models/echo%2Fecho"):
            assert (await gateway.client.get(path)).json()["id"] == "echo/echo"
        asked = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        reply = await gateway.client.post("/v1beta/models/echo%2Fecho:generateContent", json=asked)
        assert reply.status_code == 200, reply.text


async def test_a_missing_secret_is_not_described_to_clients(tmp_path: Path) -> None:
    text = ECHO + "  p: {preset: openai, connections: {a: {api_key: '${file:./absent}'}}}\n"
    async with running(tmp_path, text) as gateway:
        reply = await gateway.client.post(CHAT, json={**ASK, "model": "p/gpt-5"})
        assert reply.status_code == 503
        assert "its secret is missing" in reply.text
        assert "absent" not in reply.text


async def test_paths_and_methods_that_are_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        client = gateway.client
        assert (await client.get("/v1/nothing")).json()["error"]["code"] == "unknown_path"
        reply = await client.get(CHAT)
        assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
        reply = await client.get("/api/nothing")
        assert reply.json() == {
            "error": {"code": "unknown_path", "message": "there is nothing at this path"}
        }
        reply = await client.get("/v1/messages")
        assert reply.json()["type"] == "error"


async def test_keys_are_taken_where_sdks_send_them(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        for headers, query in (
            (bearer(KEY), ""),
            ({"x-api-key": KEY}, ""),
            ({"x-goog-api-key": KEY}, ""),
            ({}, f"?key={KEY}"),
        ):
            reply = await gateway.client.post(CHAT + query, json=ASK, headers=headers)
            assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("x-api-key", "")], id="empty"),
        pytest.param([("authorization", "Bearer omr_wrong")], id="unknown"),
        pytest.param([("authorization", f"Basic {KEY}")], id="another scheme"),
        pytest.param([("authorization", "Bearer omr_old")], id="expired"),
        pytest.param([("authorization", f"Bearer {KEY}"), ("authorization", "Bearer x")], id="two"),
        pytest.param(
            [("authorization", "Bearer x"), ("x-api-key", KEY)], id="the first one counts"
        ),
        pytest.param([("authorization", "Bearer ' OR 1=1 --")], id="SQL"),
        pytest.param([("authorization", "Bearer " + "a" * 4000)], id="long"),
    ],
)
async def test_no_key_and_wrong_keys_are_401(
    tmp_path: Path, headers: list[tuple[str, str]]
) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        reply = await gateway.client.post(CHAT, json=ASK, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"] != "") == (401, True), reply.text
        assert KEY not in reply.text


@pytest.mark.parametrize(
    "path", ["/V1/chat/completions", "//v1/chat/completions", "/v1/../api/config", "/api%2fconfig",
             "/v1/chat/completions;x", "/healthz/../api/config", "/api/config/"],
)  # fmt: skip
async def test_other_spellings_of_a_path_open_nothing(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        for method in ("GET", "POST", "HEAD"):
            status = await raw_status(gateway, method, path)
            assert status in (400, 401, 403, 404, 405), (method, status)


async def raw_status(gateway: Gateway, method: str, path: str, *headers: str) -> int:
    """The status of a request whose target goes out as it is."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [f"{method} {path} HTTP/1.1", "host: x", "content-length: 0", "connection: close"]
    writer.write("\r\n".join([*head, *headers, "", ""]).encode())
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return int(line.split()[1])


async def test_forged_headers_open_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        for header in (
            "x-original-url: /healthz",
            "x-rewrite-url: /healthz",
            "x-http-method-override: GET",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: /healthz",
        ):
            assert await raw_status(gateway, "GET", "/api/config", header) == 401


def concrete(path: str) -> str:
    """A route's path with its parameters filled in."""
    return path.replace("<path:path>", "m:countTokens").replace("<provider:str>", "echo")


async def test_every_route_needs_a_credential_unless_it_is_public(tmp_path: Path) -> None:
    public = {route.path for route in routes() if route.surface is Surface.PUBLIC}
    login = {"/api/auth/login", "/api/auth/logout", "/api/auth/status"}
    about = {"/", "/api/hello", "/healthz", "/readyz", "/api/version"}
    assert public == {*about, *login, "/api/settings/require-login", "/api/init"}
    async with running(tmp_path, GUARDED) as gateway:
        for route in routes():
            method, path = route.method, concrete(route.path)
            reply = await gateway.client.request(method, path, json=ASK)
            if route.surface is not Surface.PUBLIC:
                assert reply.status_code == 401, (method, path, reply.status_code)
            elif path != "/api/auth/login":  # which wants a password
                assert reply.status_code == 200, (method, path, reply.status_code)


async def test_roles_guard_the_management_api(tmp_path: Path) -> None:
    async with running(tmp_path, GUARDED) as gateway:
        client = gateway.client
        assert (await client.get("/api/config", headers=bearer(KEY))).status_code == 403
        shown = await client.get("/api/config", headers=bearer("omr_ops"))
        assert shown.status_code == 200
        assert hashlib.sha256(KEY.encode()).hexdigest() not in shown.text
        assert (
            await client.post("/api/config/reload", headers=bearer("omr_ops"))
        ).status_code == 403
        assert (
            await client.post("/api/config/reload", headers=bearer("omr_root"))
        ).status_code == 200
        assert (await client.post(CHAT, json=ASK, headers=bearer("omr_ops"))).status_code == 403


async def test_a_key_sees_and_uses_its_own_models(tmp_path: Path) -> None:
    config = GUARDED.replace("providers:", "providers:\n  other: {preset: echo}")
    async with running(tmp_path, config) as gateway:
        rows = (await gateway.client.get("/v1/models", headers=bearer(KEY))).json()["data"]
        own = load_presets()["echo"].models
        assert [row["id"] for row in rows] == [f"echo/{model}" for model in own]
        ask = {**ASK, "model": "other/echo"}
        assert (await gateway.client.post(CHAT, json=ask, headers=bearer(KEY))).status_code == 403
        reply = await gateway.client.get("/v1/models/other/echo", headers=bearer(KEY))
        assert reply.status_code == 404


async def test_secrets_stay_out_of_every_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CANARY_KEY", "CANARY_TOKEN", "CANARY_PASS"):
        monkeypatch.setenv(name, f"canary-{name.lower()}-0123456789")
    config = """
version: 1
auth: {dashboard: {require_login: false}}
providers:
  lab:
    format: openai-chat
    base_url: http://127.0.0.1:9/v1
    allow_private_network: true
    headers: {X-Token: "${env:CANARY_TOKEN}"}
    connections:
      main: {api_key: "${env:CANARY_KEY}", proxy: "http://u:${env:CANARY_PASS}@127.0.0.1:9"}
"""
    async with running(tmp_path, config) as gateway:
        seen = (await gateway.client.get("/api/config")).text
        seen += (await gateway.client.get("/api/monitoring/health")).text
        seen += (await gateway.client.post(CHAT, json={**ASK, "model": "lab/m"})).text
        assert "canary-" not in seen
    ledger = b"".join(
        path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()
    )
    assert b"canary-" not in ledger


async def test_browsers_of_listed_origins_may_read(tmp_path: Path) -> None:
    text = ECHO + "server: {cors: {origins: ['https://app.example']}}\n"
    async with running(tmp_path, text) as gateway:
        asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
        reply = await gateway.client.options(CHAT, headers=asked)
        assert reply.status_code == 204
        reply = await gateway.client.post(CHAT, json=ASK, headers={"origin": "https://app.example"})
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        reply = await gateway.client.post(
            CHAT, json=ASK, headers={"origin": "https://evil.example"}
        )
        assert "access-control-allow-origin" not in reply.headers


async def test_smuggling_attempts_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        port = int(gateway.url.rpartition(":")[2])
        for head in (
            b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
            b"content-length: 5\r\ncontent-length: 6\r\n",
            b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            b"content-length: -1\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), 10) as peer:
                peer.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(
                    peer, b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + head + b"\r\nhello"
                )
                got = await asyncio.wait_for(loop.sock_recv(peer, 100), 10)
                assert got.startswith(b"HTTP/1.1 400"), got


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        pytest.param("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--", 415, id="multipart"),
        pytest.param("Multipart/Mixed", b"{}", 415, id="multipart that holds JSON"),
        pytest.param("application/x-www-form-urlencoded", b"model=echo", 415, id="a form"),
        pytest.param("application/x-www-form-urlencoded", None, 200, id="JSON, as curl sends it"),
        pytest.param("text/plain", None, 200, id="JSON as a text"),
        pytest.param("", None, 200, id="no type"),
    ],
)
async def test_forms_are_told_what_is_taken(
    tmp_path: Path, content_type: str, body: bytes | None, status: int
) -> None:
    headers = {"content-type": content_type, **bearer("omr_root")}
    async with running(tmp_path, GUARDED) as gateway:
        for path in (CHAT, "/v1/messages", "/api/chat", "/api/resilience"):
            said = orjson.dumps({**ASK, "stream": False}) if body is None else body
            reply = await gateway.client.request(
                "PATCH" if path == "/api/resilience" else "POST",
                path,
                content=b"{}" if body is None and path == "/api/resilience" else said,
                headers=headers,
            )
            assert reply.status_code == status, reply.text
            if status == 415:
                assert "application/json" in reply.text
                assert reply.headers["accept"] == "application/json"
