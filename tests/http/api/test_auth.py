"""Logging in and out: the cookie, what it opens, what keeps others from having or using one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import httpx
import pytest

from omniroute.base.password import hash_password
from omniroute.http.edge.routes import Surface
from omniroute.worker.logins import ATTEMPTS, LOCKED_S
from tests.running import ECHO, Gateway, running, served
from tests.surface import routes

ADMIN: Final = "correct-horse-battery"
VIEWER: Final = "only-looking-around"
HASHES: Final = {name: hash_password(name) for name in (ADMIN, VIEWER)}
CONFIG: Final = f"""
version: 1
server: {{trusted_proxies: [127.0.0.1]}}
auth:
  dashboard:
    password_hash: "{HASHES[ADMIN]}"
    viewer_password_hash: "{HASHES[VIEWER]}"
    session_ttl: 1h
keys:
  ops: {{hash: "sha256:{"0" * 64}", roles: [viewer]}}
providers: {{echo: {{preset: echo}}}}
"""
LOGIN: Final = "/api/auth/login"
STATUS: Final = "/api/auth/status"
RELOAD: Final = "/api/config/reload"
RULE: Final = "/api/settings/require-login"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[Gateway]:
    async with running(tmp_path, CONFIG) as gateway:
        yield gateway


async def log_in(client: httpx.AsyncClient, password: str, **headers: str) -> httpx.Response:
    return await client.post(LOGIN, json={"password": password}, headers=headers)


async def test_a_password_opens_what_its_role_may(gateway: Gateway) -> None:
    client = gateway.client
    assert (await client.get(STATUS)).json() == {"authenticated": False, "role": None}
    reply = await log_in(client, ADMIN)
    assert (reply.status_code, reply.json()) == (200, {"success": True})
    parts = reply.headers["set-cookie"].split("; ")
    assert parts[0].startswith("auth_token=admin.")
    assert parts[1:] == ["Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Strict"]
    assert reply.headers["cache-control"] == "no-store"
    assert (await client.get(STATUS)).json() == {"authenticated": True, "role": "admin"}
    assert (await client.get("/api/config")).status_code == 200
    assert (await client.post(RELOAD)).status_code == 200

    viewer = gateway.fresh_client()
    assert (await log_in(viewer, VIEWER)).status_code == 200
    assert (await viewer.get("/api/config")).status_code == 200
    refused = await viewer.post(RELOAD)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_role")
    await viewer.aclose()


async def test_a_login_is_no_key_for_models(gateway: Gateway) -> None:
    await log_in(gateway.client, ADMIN)
    body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
    assert (await gateway.client.post("/v1/chat/completions", json=body)).status_code == 401


async def test_a_key_that_is_sent_counts_before_the_cookie(gateway: Gateway) -> None:
    await log_in(gateway.client, ADMIN)
    wrong = {"authorization": "Bearer omr_wrong"}
    assert (await gateway.client.get("/api/config", headers=wrong)).status_code == 401


async def test_logging_out_ends_the_session_wherever_its_cookie_went(gateway: Gateway) -> None:
    client = gateway.client
    await log_in(client, ADMIN)
    stolen = {"cookie": f"auth_token={client.cookies['auth_token']}"}
    other = gateway.fresh_client()
    assert (await other.get("/api/config", headers=stolen)).status_code == 200
    reply = await client.post("/api/auth/logout", json={})
    assert (reply.status_code, reply.json()) == (200, {"success": True})
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert (await other.get("/api/config", headers=stolen)).status_code == 401
    assert (await other.post("/api/auth/logout")).status_code == 200
    await other.aclose()


async def test_a_wrong_password_is_in_the_audit_log(gateway: Gateway) -> None:
    refused = await log_in(gateway.client, "wrong-password")
    assert refused.status_code == 401
    await log_in(gateway.client, ADMIN)
    (entry, *_) = (await gateway.client.get("/api/compliance/audit-log")).json()
    assert (entry["action"], entry["actor"], entry["ip"]) == (
        "login.failed",
        "anybody",
        "127.0.0.1",
    )
    assert entry["digestBefore"] == entry["digestAfter"] == gateway.runtime.snapshot.digest
    assert entry["requestId"] == refused.headers["x-request-id"]
    rows = (await gateway.client.get("/api/config/history")).json()["history"]
    assert [row["action"] for row in rows] == ["config.reload"]
    assert gateway.runtime.audit.verify()[1] is None


async def test_another_password_ends_every_session(gateway: Gateway) -> None:
    await log_in(gateway.client, ADMIN)
    gateway.save(CONFIG.replace(HASHES[ADMIN], hash_password("another-password")))
    await gateway.until_generation(2)
    assert (await gateway.client.get("/api/config")).status_code == 401


async def test_a_token_that_was_not_given_out_is_none(gateway: Gateway) -> None:
    await log_in(gateway.client, VIEWER)
    token = gateway.client.cookies["auth_token"]
    role, time, number, signature = token.split(".")
    client = gateway.fresh_client()
    for cookie, status in (
        (f"auth_token={token}", 200),
        (f"auth_token=admin.{time}.{number}.{signature}", 401),
        (f"auth_token={role}.{int(time) + 9}.{number}.{signature}", 401),
        (f"auth_token={role}.{time}.x{number}.{signature}", 401),
        (f"auth_token={role}.{time}.{number}.{'0' * len(signature)}", 401),
        (f"auth_token={token}; auth_token={token}", 401),
        (f"auth_token={token}{'0' * 9000}", 401),
        ("auth_token; =; auth_token=a.b.c.d; auth_token", 401),
    ):
        reply = await client.get("/api/config", headers={"cookie": cookie})
        assert reply.status_code == status, cookie
    await client.aclose()


async def test_wrong_passwords_lock_the_address_and_no_other(
    gateway: Gateway,
) -> None:
    client, header = gateway.client, {"x-forwarded-for": "198.51.100.7"}
    right = await log_in(client, ADMIN, **header)  # which costs no attempt
    assert right.status_code == 200
    answers = await asyncio.gather(
        *(log_in(client, f"wrong-{number}", **header) for number in range(ATTEMPTS + 3))
    )
    assert sorted(reply.status_code for reply in answers) == [401] * ATTEMPTS + [429] * 3
    (told, *_) = [reply.json()["error"] for reply in answers if reply.status_code == 401]
    assert told == {"code": "invalid_password", "message": "Invalid password"}
    locked = await log_in(client, ADMIN, **header)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= LOCKED_S
    assert "set-cookie" not in locked.headers
    assert (await log_in(client, ADMIN)).status_code == 200


async def test_addresses_of_one_ipv6_network_count_together(gateway: Gateway) -> None:
    statuses = [
        (await log_in(gateway.client, "w" * 2000, **{"x-forwarded-for": f"2001:db8::{n}"}))
        for n in range(ATTEMPTS + 1)
    ]
    assert [reply.status_code for reply in statuses] == [401] * ATTEMPTS + [429]


async def test_no_more_are_looked_at_together_than_there_is_memory_for(gateway: Gateway) -> None:
    answers = await asyncio.gather(
        *(
            log_in(gateway.client, "wrong-password", **{"x-forwarded-for": f"203.0.113.{n}"})
            for n in range(24)
        )
    )
    statuses = [reply.status_code for reply in answers]
    assert set(statuses) == {401, 503}
    busy = next(reply for reply in answers if reply.status_code == 503)
    assert busy.headers["retry-after"] == "1"
    assert (await log_in(gateway.client, ADMIN)).status_code == 200


async def test_a_page_of_another_origin_changes_nothing(gateway: Gateway) -> None:
    client = gateway.client
    own = f"http://{client.base_url.host}:{client.base_url.port}"
    await log_in(client, ADMIN)
    for headers, status in (
        ({}, 200),
        ({"origin": own}, 200),
        ({"origin": own, "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": own, "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ):
        reply = await client.post(RELOAD, headers=headers)
        assert reply.status_code == status, headers
    evil = {"origin": "https://evil.example"}
    assert (await log_in(client, ADMIN, **evil)).json()["error"]["code"] == "cross_origin"
    assert (await client.post("/api/auth/logout", headers=evil)).status_code == 403
    assert (
        await client.get("/api/config", headers=evil)
    ).status_code == 200  # which it cannot read


async def test_without_a_login_pages_of_others_are_refused_as_well(tmp_path: Path) -> None:
    text = ECHO + "auth: {dashboard: {require_login: false}}\n"
    async with running(tmp_path, text) as gateway:
        evil = {"origin": "https://evil.example"}
        assert (await gateway.client.post(RELOAD, headers=evil)).status_code == 403
        assert (await gateway.client.post(RELOAD)).status_code == 200


async def test_the_cookie_is_secure_where_a_trusted_proxy_says_https(gateway: Gateway) -> None:
    for headers, secure in (
        ({"x-forwarded-proto": "https"}, True),
        ({"forwarded": 'for=192.0.2.1; proto="https"'}, True),
        ({"x-forwarded-proto": "http"}, False),
    ):
        reply = await log_in(gateway.client, ADMIN, **headers)
        assert reply.headers["set-cookie"].endswith("; Secure") == secure
    gateway.save(CONFIG.replace("[127.0.0.1]", "[192.0.2.7]"))
    await gateway.until_generation(2)
    reply = await log_in(gateway.client, ADMIN, **{"x-forwarded-proto": "https"})
    assert not reply.headers["set-cookie"].endswith("; Secure")


async def test_a_refused_address_learns_nothing(tmp_path: Path) -> None:
    text = CONFIG + "ip_filter: {mode: deny, deny: [127.0.0.1], apply_to: [management]}\n"
    async with running(tmp_path, text) as gateway:
        for password in (ADMIN, "wrong-password"):
            assert (await log_in(gateway.client, password)).status_code == 403
        assert (await gateway.client.get(STATUS)).status_code == 403


async def test_every_management_route_wants_a_login_or_a_key(gateway: Gateway) -> None:
    for route in routes():
        if route.surface in (Surface.VIEWER, Surface.ADMIN):
            forged = {"cookie": "auth_token=admin.99999999999.x.y"}
            reply = await gateway.client.request(route.method, route.path, headers=forged)
            assert reply.status_code == 401, route.path


async def test_a_login_is_required_until_the_file_says_otherwise(gateway: Gateway) -> None:
    client, path = gateway.client, RULE
    rule = {"requireLogin": True, "hasPassword": True, "setupComplete": True}
    assert (await client.get(path)).json() == rule
    assert (await client.put(path, json={"requireLogin": False})).status_code == 401
    await log_in(client, ADMIN)
    assert (await client.put(path, json={"requireLogin": "no"})).status_code == 400
    assert (await client.put(path, json={"password": "x", "requireLogin": True})).status_code == 400
    reply = await client.put(path, json={"requireLogin": False})
    assert reply.json() == rule | {"requireLogin": False}
    assert "require_login: false" in (gateway.folder / "omniroute.yaml").read_text()
    client.cookies.clear()
    assert (await client.get("/api/config")).status_code == 200


async def test_the_hash_is_shown_nowhere(gateway: Gateway) -> None:
    await log_in(gateway.client, ADMIN)
    shown = (await gateway.client.get("/api/config")).text
    assert HASHES[ADMIN].rpartition("$")[2] not in shown
    assert HASHES[VIEWER].rpartition("$")[2] not in shown


async def test_nobody_logs_in_where_the_hash_is_missing(tmp_path: Path) -> None:
    text = CONFIG.replace(HASHES[ADMIN], "${env:OMNIROUTE_NO_SUCH_HASH}")
    async with running(tmp_path, text) as gateway:
        assert (await log_in(gateway.client, ADMIN)).status_code == 401
        assert (await log_in(gateway.client, "")).status_code == 401
        assert [item.code for item in gateway.runtime.snapshot.warnings] == ["OR904"]


def test_a_first_password_is_told_once_and_works_on_every_worker(tmp_path: Path) -> None:
    told = "The password of the management login is "
    with served(tmp_path, ECHO, "--workers", "2") as gateway:
        password = gateway.log.read_text().partition(told)[2].split("\n")[0]
        clients = [httpx.Client(base_url=gateway.url) for _ in range(6)]
        reply = clients[0].post(LOGIN, json={"password": password})
        assert reply.status_code == 200
        cookie = {"cookie": f"auth_token={reply.cookies['auth_token']}"}
        assert {one.get("/api/config", headers=cookie).status_code for one in clients} == {200}
        clients[1].post("/api/auth/logout", headers=cookie)
        assert {one.get("/api/config", headers=cookie).status_code for one in clients} == {401}
        tried = [one.post(LOGIN, json={"password": "wrong-one"}).status_code for one in clients]
        assert sorted(tried) == [401] * ATTEMPTS + [429]
        for one in clients:
            one.close()
    assert password not in (tmp_path / "data" / "password.hash").read_text()


async def test_a_session_outlives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        reply = await log_in(gateway.client, ADMIN)
        cookie = {"cookie": f"auth_token={reply.cookies['auth_token']}"}
    async with running(tmp_path, CONFIG) as gateway:
        assert (await gateway.client.get("/api/config", headers=cookie)).status_code == 200
