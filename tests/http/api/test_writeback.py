"""Changes through the API: into the file, comments kept, checked first, in force at once."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.running import ECHO, running

CONFIG = (
    ECHO
    + f"""
auth: {{dashboard: {{require_login: false}}}}
keys:
  app: {{hash: "sha256:{hashlib.sha256(b"omr_app").hexdigest()}"}}
resilience:
  breaker: {{failures: 5}} # measured in May
  retry:
    attempts: 1  # not more
# the end
"""
)
OPEN = ECHO + "auth: {dashboard: {require_login: false}}\n"
PATH = "/api/resilience"


async def test_a_patch_changes_the_file_and_what_is_in_force(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        before = await gateway.client.get(PATH)
        reply = await gateway.client.patch(
            PATH,
            json={"providerBreaker": {"failureThreshold": 9, "resetTimeoutMs": 1500}},
            headers={"If-Match": before.headers["etag"]},
        )
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert body["ok"] is True
        assert body["providerBreaker"]["failureThreshold"] == 9
        assert body["providerBreaker"]["resetTimeoutMs"] == 1500
        assert body["retry"]["attempts"] == 1
        assert (tmp_path / "omniroute.yaml").read_text() == CONFIG.replace(
            "{failures: 5} ", "{failures: 9, open: 1500ms} "
        )
        assert reply.headers["etag"] != before.headers["etag"]
        assert gateway.runtime.snapshot.config.resilience.breaker.failures == 9


async def test_a_put_sets_what_it_leaves_out_to_its_default(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        shown = (await gateway.client.get(PATH)).json()
        same = await gateway.client.put(PATH, json=shown)
        assert same.status_code == 200, same.text
        assert {**shown, "ok": True} == same.json()
        reply = await gateway.client.put(PATH, json={"requestQueue": {"concurrentRequests": 3}})
        body = reply.json()
        assert body["requestQueue"]["concurrentRequests"] == 3
        assert (body["retry"]["attempts"], body["providerBreaker"]["failureThreshold"]) == (2, 5)
        assert "# the end" in (tmp_path / "omniroute.yaml").read_text()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        pytest.param({"retry": {"attempts": -1}}, 400, "retry.attempts", id="negative"),
        pytest.param({"retry": {"attempts": True}}, 400, "retry.attempts", id="no number"),
        pytest.param({"retry": {"tries": 1}}, 400, "retry.tries", id="unknown field"),
        pytest.param({"nope": {}}, 400, "nope", id="unknown part"),
        pytest.param({"retry": 3}, 400, "retry", id="no object"),
        pytest.param({"retry": {"attempts": None}}, 400, "retry.attempts", id="null"),
        pytest.param({"retry": {"baseMs": 0.5}}, 400, "retry.baseMs", id="no whole number"),
        pytest.param({"retry": {"attempts": 10**9}}, 422, "resilience.retry.attempts", id="check"),
        pytest.param(
            {"connectionCooldown": {"useUpstreamRetryHints": False}},
            400,
            "connectionCooldown.rateLimitedMs",
            id="half a choice",
        ),
    ],
)
async def test_a_wrong_change_changes_nothing(
    tmp_path: Path, body: dict[str, Any], status: int, field: str
) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        reply = await gateway.client.patch(PATH, json=body)
        assert reply.status_code == status, reply.text
        details = reply.json()["error"]["details"]
        found = details.pop("diagnostics", [])
        assert details == {"field": field}
        assert [item["path"] for item in found] == ([field] if status == 422 else [])
        assert (tmp_path / "omniroute.yaml").read_text() == CONFIG


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"retry": {"attempts": 1}}, id="as it is"),
        pytest.param({"overrides": {}, "breakers": []}, id="shown only"),
    ],
)
@pytest.mark.parametrize("config", [CONFIG, OPEN], ids=["with a section", "without"])
async def test_a_change_of_nothing_writes_nothing(
    tmp_path: Path, body: dict[str, Any], config: str
) -> None:
    if config == OPEN and "retry" in body:
        config += "resilience: {retry: {attempts: 1}}\n"
    async with running(tmp_path, config) as gateway:
        file = tmp_path / "omniroute.yaml"
        before, digest = file.stat(), gateway.runtime.snapshot.digest
        reply = await gateway.client.patch(PATH, json=body)
        assert reply.status_code == 200, reply.text
        after = file.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert file.read_text() == config
        assert reply.headers["etag"] == f'"{digest}"'
        assert gateway.runtime.reloader.status.generation == 1


async def test_a_change_made_for_another_state_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        change = {"retry": {"attempts": 3}}
        late = await gateway.client.patch(PATH, json=change, headers={"If-Match": '"0123456789ab"'})
        assert late.status_code == 412
        (tmp_path / "omniroute.yaml").write_text("providers: [")
        broken = await gateway.client.patch(PATH, json=change)
        assert broken.status_code == 409
        assert (tmp_path / "omniroute.yaml").read_text() == "providers: ["


async def test_what_an_included_file_declares_is_changed_there(tmp_path: Path) -> None:
    text = ECHO + "auth: {dashboard: {require_login: false}}\ninclude: [more.yaml]\n"
    others = {"more.yaml": "resilience: {retry: {attempts: 1}}  # ours\n"}
    async with running(tmp_path, text, others=others) as gateway:
        reply = await gateway.client.patch(PATH, json={"retry": {"attempts": 3}})
        assert reply.status_code == 200, reply.text
        assert (tmp_path / "omniroute.yaml").read_text() == text
        changed = (tmp_path / "more.yaml").read_text()
        assert changed == "resilience: {retry: {attempts: 3}}  # ours\n"


async def test_changes_at_the_same_time_are_made_one_after_the_other(tmp_path: Path) -> None:
    async with running(tmp_path, CONFIG) as gateway:
        fields = ("failureThreshold", "halfOpenProbes")
        replies = await asyncio.gather(
            *(gateway.client.patch(PATH, json={"providerBreaker": {name: 7}}) for name in fields)
        )
        assert [reply.status_code for reply in replies] == [200, 200]
        shown = (await gateway.client.get(PATH)).json()["providerBreaker"]
        assert [shown[name] for name in fields] == [7, 7]


async def test_a_key_s_budget_is_set_and_changed(tmp_path: Path) -> None:
    path = "/api/usage/budget"
    async with running(tmp_path, CONFIG) as gateway:
        for limit, period in ((5, "daily"), (7.5, "monthly")):
            reply = await gateway.client.post(
                path, json={"keyId": "app", "limit": limit, "period": period}
            )
            assert reply.status_code == 200, reply.text
            budget = reply.json()["budget"]
            assert (budget["id"], budget["scope"]) == ("key-app", {"key": "app"})
            assert (budget["limitUsd"], budget["period"]) == (limit, period)
        assert len(gateway.runtime.snapshot.config.budgets) == 1
        for body, status in (
            ({"keyId": "nobody", "limit": 5}, 404),
            ({"keyId": "app"}, 400),
            ({"keyId": "app", "limit": "5"}, 400),
            ({"keyId": "app", "limit": 5, "period": "hourly"}, 400),
            ({"limit": 5}, 400),
            ({"keyId": "app", "limit": 5, "hourlyLimitUsd": 5}, 400),
            ({"keyId": "app", "dailyLimitUsd": 0}, 400),
        ):
            assert (await gateway.client.post(path, json=body)).status_code == status
        named = await gateway.client.post(path, json={"keyId": "app", "hourlyLimitUsd": 5})
        assert named.json()["error"]["details"] == {"field": "hourlyLimitUsd"}
