"""Keys, combos and aliases through the API: golden files before and after, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml

from omniroute.http.edge.routes import Surface
from tests.running import ECHO, Gateway, running, served
from tests.surface import routes

CASES = Path(__file__).parents[2] / "golden" / "writes"
ROOT, VIEWER = "omr_root", "omr_viewer"
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


KEYS = f"""
keys:
  # who may change this
  root: {{hash: "{digest(ROOT)}", roles: [admin, inference]}}
  eyes: {{hash: "{digest(VIEWER)}", roles: [viewer]}}
"""
CONFIG = ECHO + KEYS


def as_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def ask(gateway: Gateway, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return await gateway.client.request(
        method, path, json=body, headers={**as_key(ROOT), **headers}
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, httpx.Client]]:
    """One server for all cases, and its file: a case saves what was before, and reloads."""
    folder = tmp_path_factory.mktemp("writes")
    with (
        served(folder, CONFIG + "reload: {watch: false}\n") as gateway,
        httpx.Client(base_url=gateway.url, headers=as_key(ROOT)) as client,
    ):
        yield folder / "omniroute.yaml", client


@pytest.mark.parametrize("file", sorted(path.name for path in CASES.glob("*.yaml")))
def test_a_change_is_the_edit_that_a_person_would_make(
    shared: tuple[Path, httpx.Client], file: str, golden: Callable[[str, str], None]
) -> None:
    case: dict[str, Any] = yaml.safe_load((CASES / file).read_text())
    saved, client = shared
    before = case["before"] + KEYS
    saved.write_text(before)
    assert client.post("/api/config/reload").status_code == 200
    method, path, *body = case["request"]
    reply = client.request(method, path, json=body[0] if body else None)
    assert reply.status_code == case["status"], reply.text
    text = saved.read_text()
    if reply.status_code >= 400:
        assert text == before
        assert case["says"] in reply.json()["error"]["message"]
    else:
        digest = client.get("/api/config").json()["digest"]
        assert reply.headers["etag"] == f'"{digest}"'
    golden(f"writes/{file.replace('.yaml', '.after')}", _HASH.sub("sha256:…", text))


async def test_a_key_is_told_once_and_works_until_it_is_revoked(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        made = await ask(gateway, "POST", "/api/keys", {"name": "ci", "tags": {"team": "a"}})
        assert made.status_code == 201, made.text
        key = made.json()["key"]
        assert key not in (tmp_path / "omniroute.yaml").read_text()
        shown = (await ask(gateway, "GET", "/api/keys")).text
        assert key not in shown
        assert digest(key) not in shown
        body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
        chat = gateway.client.post

        async def status() -> int:
            reply = await chat("/v1/chat/completions", json=body, headers=as_key(key))
            return reply.status_code

        assert await status() == 200
        off = await ask(gateway, "PUT", "/api/keys/ci", {"isActive": False})
        assert (off.json()["isActive"], await status()) == (False, 401)
        on = await ask(
            gateway, "PUT", "/api/keys/ci", {"isActive": True, "expiresAt": "2031-01-01"}
        )
        assert (on.json()["isActive"], await status()) == (True, 200)
        assert on.json()["tags"] == {"team": "a"}
        assert on.json()["expiresAt"] == "2031-01-02T00:00:00+00:00"
        gone = await ask(gateway, "DELETE", "/api/keys/ci")
        assert (gone.json(), await status()) == ({"success": True}, 401)


async def test_names_with_slashes_are_reached(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        for alias in ("fast/*", "a:b"):
            body = {"alias": alias, "model": "echo/echo"}
            assert (await ask(gateway, "PUT", "/api/models/alias", body)).json()["success"]
        assert (await ask(gateway, "GET", "/api/models/alias")).json()["aliases"] == {
            "fast/*": "echo/echo",
            "a:b": "echo/echo",
        }
        gone = await ask(gateway, "DELETE", "/api/models/alias?alias=fast%2F%2A")
        assert gone.json() == {"success": True}


async def test_what_is_shown_of_a_combo_can_be_sent_back(tmp_path: Path) -> None:
    combo = """combos:
  smart:
    strategy: weighted
    targets:
      - {model: echo/echo, weight: 3, when: "request.stream"}  # the quick one
      - echo/other
    max_attempts: 2
"""
    async with running(tmp_path, CONFIG + combo) as gateway:
        shown = (await ask(gateway, "GET", "/api/combos/smart")).json()
        before = (tmp_path / "omniroute.yaml").read_text()
        same = await ask(gateway, "PUT", "/api/combos/smart", shown)
        assert (same.status_code, same.json()) == (200, shown), same.text
        assert (tmp_path / "omniroute.yaml").read_text() == before
        known = {"name": "smart", "models": [{"model": "echo/echo", "weight": 1}]}
        fewer = (await ask(gateway, "PUT", "/api/combos/smart", known)).json()
        assert fewer["models"] == [{"model": "echo/echo", "weight": 1, "when": "request.stream"}]
        assert (fewer["strategy"], fewer["maxAttempts"]) == ("weighted", 2)


async def test_two_who_change_at_once_both_find_their_change(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        made = await asyncio.gather(
            *(ask(gateway, "POST", "/api/keys", {"name": f"k{number}"}) for number in range(5)),
            ask(gateway, "POST", "/api/combos", {"name": "c", "models": ["echo/echo"]}),
        )
        assert [reply.status_code for reply in made] == [201] * 6
        names = [key["name"] for key in (await ask(gateway, "GET", "/api/keys")).json()["keys"]]
        assert sorted(names) == ["eyes", "k0", "k1", "k2", "k3", "k4", "root"]
        assert len((await ask(gateway, "GET", "/api/combos")).json()["combos"]) == 1


async def test_an_editor_in_between_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omniroute.management import writeback

    async with running(tmp_path, CONFIG) as gateway:
        file = tmp_path / "omniroute.yaml"
        check = writeback.inspect

        def edited(*given: Any) -> Any:
            found = check(*given)
            file.write_text(CONFIG + "# mine\n")
            return found

        monkeypatch.setattr(writeback, "inspect", edited)
        late = await ask(gateway, "POST", "/api/keys", {"name": "ci"})
        assert late.status_code == 409, late.text
        assert file.read_text() == CONFIG + "# mine\n"


async def test_where_the_api_only_reads_nothing_is_written(tmp_path: Path) -> None:
    text = CONFIG + "management: {write: off}\n"
    async with running(tmp_path, text) as gateway:
        for method, path, body in (
            ("POST", "/api/keys", {"name": "ci"}),
            ("POST", "/api/combos", {"name": "c", "models": ["echo/echo"]}),
            ("PUT", "/api/models/alias", {"alias": "a", "model": "echo/echo"}),
            ("PATCH", "/api/resilience", {"retry": {"attempts": 3}}),
            ("POST", "/api/usage/budget", {"keyId": "root", "limit": 5}),
        ):
            reply = await ask(gateway, method, path, body)
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "read_only")
        assert (await ask(gateway, "GET", "/api/keys")).status_code == 200
        assert (tmp_path / "omniroute.yaml").read_text() == text


async def test_every_management_route_wants_its_role(tmp_path: Path) -> None:
    """From the table of routes, so that a new one cannot be forgotten."""
    async with running(tmp_path, CONFIG) as gateway:
        guarded = [one for one in routes() if one.surface in (Surface.VIEWER, Surface.ADMIN)]
        assert len(guarded) > 20
        for route in guarded:
            path = re.sub(r"<\w+:\w+>", "x", route.path)
            stranger = await gateway.client.request(route.method, path)
            assert stranger.status_code == 401, (route.method, path)
            wrong = await gateway.client.request(route.method, path, headers=as_key("omr_no"))
            assert wrong.status_code == 401, (route.method, path)
            if route.surface is Surface.ADMIN:
                low = await gateway.client.request(route.method, path, headers=as_key(VIEWER))
                assert low.status_code == 403, (route.method, path)
        assert (tmp_path / "omniroute.yaml").read_text() == CONFIG


async def test_each_change_is_in_the_audit_log(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        await ask(gateway, "POST", "/api/keys", {"name": "ci"})
        await ask(gateway, "POST", "/api/keys", {"name": "ci"})  # a refusal changes nothing
        await ask(gateway, "PUT", "/api/keys/ci", {"isActive": False}, **{"X-Request-Id": "r1"})
        text = (tmp_path / "omniroute.yaml").read_text()
        (tmp_path / "omniroute.yaml").write_text(text + "idempotency: {window: 9s}\n")
        await ask(gateway, "POST", "/api/config/reload")
        rows = (await ask(gateway, "GET", "/api/compliance/audit-log")).json()
        found = [(row["action"], row["actor"], row["target"]) for row in rows]
        assert found[:3] == [
            ("config.reload", "files", "api"),
            ("config.change", "key:root", "PUT /api/keys/ci"),
            ("config.change", "key:root", "POST /api/keys"),
        ]
        disabled, made = rows[1], rows[2]
        assert disabled["changes"] == [
            {"path": "keys.ci.disabled", "before": None, "after": True},
        ]
        assert (disabled["requestId"], disabled["ip"]) == ("r1", "127.0.0.1")
        assert (made["changes"][0]["path"], made["changes"][0]["before"]) == ("keys.ci", None)
        assert rows[0]["digestBefore"] == disabled["digestAfter"]
        assert rows[0]["digestAfter"] == gateway.runtime.snapshot.digest
        assert gateway.runtime.audit.verify() == (len(rows), None)
        page = await ask(
            gateway, "GET", f"/api/compliance/audit-log?before={rows[1]['id']}&limit=1"
        )
        assert [row["id"] for row in page.json()] == [rows[2]["id"]]


async def test_a_credential_gets_neither_into_the_file_nor_into_the_log(tmp_path: Path) -> None:
    secret = "sk-thisisaplainsecret0123456789"  # noqa: S105 - it is what must not be seen
    async with running(tmp_path, CONFIG) as gateway:
        body = {"alias": "a", "model": f"echo/{secret}"}
        refused = await ask(gateway, "PUT", "/api/models/alias", body)
        assert refused.status_code == 422
        assert secret not in refused.text
        assert secret not in (tmp_path / "data" / "audit.jsonl").read_text()
        assert (tmp_path / "omniroute.yaml").read_text() == CONFIG


async def test_what_cannot_be_recorded_is_not_made(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        log = gateway.runtime.data_dir / "audit.jsonl"
        log.unlink()
        log.mkdir()
        reply = await ask(gateway, "POST", "/api/keys", {"name": "ci"})
        assert reply.status_code == 409
        assert "cannot be recorded" in reply.json()["error"]["message"]
        assert (tmp_path / "omniroute.yaml").read_text() == CONFIG


async def test_what_cannot_be_served_is_taken_back_but_not_what_others_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        file, reloader = tmp_path / "omniroute.yaml", gateway.runtime.reloader
        reload = reloader.reload

        async def failing(reason: str, *, saved: bool) -> Any:
            if saved:
                file.write_text(CONFIG + "# mine\n")
            monkeypatch.setattr(reloader, "reload", reload)
            return msgspec.structs.replace(reloader.status, ok=False, error="no")

        for saved, kept in ((False, CONFIG), (True, CONFIG + "# mine\n")):
            monkeypatch.setattr(reloader, "reload", partial(failing, saved=saved))
            reply = await ask(gateway, "POST", "/api/keys", {"name": "ci"})
            assert reply.status_code == 409, reply.text
            assert file.read_text() == kept
        rows = (await ask(gateway, "GET", "/api/compliance/audit-log")).json()
        assert [row["action"] for row in rows[:2]] == ["config.undone", "config.change"]
