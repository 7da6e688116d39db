"""Asking a provider for its models, through the API, and what a wrong one says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omniroute.translation.listing import TableLister
from tests.chat import answer, lab
from tests.http.api.test_entries import KEYS, ask
from tests.running import running
from tests.scripted import Recorded, scripted_upstream
from tests.translation.tables import formats

TEST, MODELS = "/api/providers/lab%2Fmain/test", "/api/providers/lab%2Fmain/models"


async def test_a_connection_is_tested_by_the_list_of_its_provider(tmp_path: Path) -> None:
    answers = [
        answer(200, {"data": [{"id": "m"}, {"id": "m-2026"}]}),
        answer(200, {"data": [{"id": "m"}, {"id": "m-2026"}]}),
        answer(401, {"error": {"message": "the key lab-credential is wrong"}}),
        answer(200, {"no": "list"}),
        answer(503, {}),
    ]
    async with (
        scripted_upstream(lambda _: [answers.pop(0)]) as upstream,
        running(tmp_path, lab(upstream.url, KEYS)) as gateway,
    ):
        good = (await ask(gateway, "POST", TEST)).json()
        assert (good["valid"], good["error"], good["statusCode"]) == (True, None, 200)
        assert good["models"] == ["m", "m-2026"]
        seen: Recorded = upstream.requests[0]
        assert (seen.method, seen.target) == ("GET", "/v1/models")
        assert seen.headers["authorization"] == "Bearer lab-credential"
        listed = (await ask(gateway, "GET", MODELS)).json()
        assert listed["models"] == [
            {"id": "m", "listed": True},
            {"id": "m-2026", "listed": False},
        ]
        wrong = await ask(gateway, "POST", TEST)
        diagnosis = wrong.json()["diagnosis"]
        assert (diagnosis["type"], diagnosis["source"]) == ("authentication", "upstream")
        assert "lab-credential" not in wrong.text
        empty = (await ask(gateway, "POST", TEST)).json()
        assert (empty["valid"], empty["statusCode"]) == (False, 200)
        assert "no list of models" in empty["error"]
        assert (await ask(gateway, "GET", MODELS)).status_code == 502
        health = (await ask(gateway, "GET", "/api/providers/lab%2Fmain")).json()
        assert health["connection"]["testStatus"] == "unknown"


async def test_who_is_not_declared_is_asked_where_that_is_allowed(tmp_path: Path) -> None:
    async with (
        scripted_upstream([answer(200, {"data": [{"id": "m"}]})]) as upstream,
        running(tmp_path, lab(upstream.url, KEYS)) as gateway,
    ):
        body = {"baseUrl": f"{upstream.url}/v1", "apiKey": "sk-x-0123456789"}

        async def validated(**more: Any) -> Any:
            reply = await ask(gateway, "POST", "/api/provider-nodes/validate", {**body, **more})
            assert "sk-x-0123456789" not in reply.text
            return reply.json()

        blocked = await validated()
        assert (blocked["valid"], blocked["diagnosis"]["type"]) == (False, "permission")
        assert upstream.requests == []
        allowed = await validated(allowPrivateNetwork=True)
        assert (allowed["valid"], allowed["models"]) == (True, ["m"])
        odd = await validated(type="anthropic-compatible", apiType="responses")
        assert odd["error"]["code"] == "invalid_request"


async def test_a_combo_is_tested_connection_by_connection(tmp_path: Path) -> None:
    combo = KEYS + "combos: {smart: {targets: [lab/m, lab/n, echo/echo]}}\n"
    async with (
        scripted_upstream([answer(401, {})]) as upstream,
        running(tmp_path, lab(upstream.url, combo, "  echo: {preset: echo}")) as gateway,
    ):
        path = "/api/combos/test"
        trial = (await ask(gateway, "POST", path, {"comboName": "smart"})).json()
        assert (trial["strategy"], trial["resolvedBy"]) == ("priority", "echo/echo")
        found = [(one["connectionId"], one["status"], one["listed"]) for one in trial["results"]]
        assert found == [
            ("lab/main", "error", None),
            ("lab/main", "error", None),
            ("echo/default", "ok", True),
        ]
        assert len(upstream.requests) == 1
        unknown = await ask(gateway, "POST", path, {"comboName": "nope"})
        assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("format", "path", "said", "models"),
    [
        ("openai-chat", "/models", {"data": [{"id": "a"}]}, ("a",)),
        ("openai-responses", "/models", {"data": [{"id": "a"}, {}]}, ("a",)),
        ("anthropic", "/v1/models", {"data": [{"id": "a"}, {"id": "b"}]}, ("a", "b")),
        ("gemini", "/v1beta/models", {"models": [{"name": "models/a"}]}, ("a",)),
        ("ollama", "/api/tags", {"models": [{"name": "a:7b"}]}, ("a:7b",)),
    ],
)
def test_each_format_s_list_is_read(
    format: str, path: str, said: dict[str, Any], models: tuple[str, ...]
) -> None:
    lister = formats().lister(format)
    assert isinstance(lister, TableLister)
    assert (lister.path, lister.reply(json.dumps(said).encode())) == (path, models)
