"""The lines that requests leave in the log."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from pathlib import Path

import pytest

from omniroute.base.log import set_up_logging
from omniroute.config.model import RequestLog
from omniroute.worker.requestlog import is_wanted
from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import ECHO, running
from tests.scripted import scripted_upstream

CHAT = "/v1/chat/completions"
LOCKED = f"""{ECHO}
server: {{max_body: 64KiB, log: {{requests: on}}}}
keys:
  looker:
    hash: "sha256:{hashlib.sha256(b"omr_looker").hexdigest()}"
    roles: [viewer, inference]
"""


async def test_a_request_is_one_line_without_what_was_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    on = "server: {log: {requests: on}}\n"
    with caplog.at_level(logging.INFO, "omniroute"):
        async with (
            scripted_upstream([answer(200, COMPLETION)]) as upstream,
            running(tmp_path, lab(upstream.url, on)) as gateway,
        ):
            named = {"X-Request-Id": "r-1"}
            asked = {**ASK, "messages": [{"role": "user", "content": "PRIVATE"}]}
            await gateway.client.post(CHAT, json=asked, headers=named)
            gateway.save(lab(upstream.url, "server: {log: {requests: off}}\n"))
            await gateway.until_generation(2)
            await gateway.client.post(CHAT, json=asked)
    lines = [one for one in caplog.records if one.name == "omniroute.requests"]
    assert len(lines) == 1
    text = lines[0].getMessage()
    assert text.startswith(f"POST {CHAT} 200 ")
    assert text.endswith(
        " ms model=lab/m provider=lab connection=main"
        " input_tokens=10 output_tokens=4 request_id=r-1"
    )
    assert "PRIVATE" not in caplog.text
    assert "lab-credential" not in caplog.text.replace("env:LAB_KEY:-lab-credential", "")


async def test_failures_of_providers_have_their_class_and_names_are_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = "server: {log: {requests: on}}\nresilience: {retry: {attempts: 0}}\n"
    with caplog.at_level(logging.INFO, "omniroute"):
        async with (
            scripted_upstream([answer(500, {"error": {"message": "down"}})]) as upstream,
            running(tmp_path, lab(upstream.url, more)) as gateway,
        ):
            for model in ("lab/a", "lab/a\nforged line" + "x" * 300):  # the second is refused
                await gateway.client.post(CHAT, json={**ASK, "model": model})
    told = [one.getMessage() for one in caplog.records if one.name == "omniroute.requests"]
    failed, line, forged = told
    assert failed.startswith("lab/main failed: upstream 500, model a, ")
    assert "error_class=upstream" in line
    assert "model=lab/a?forged linexxx" in forged
    assert "\n" not in forged
    assert len(forged) < 300


async def test_whatever_is_answered_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "omniroute"):
        async with running(tmp_path, LOCKED) as gateway:
            client = gateway.client
            key = {"Authorization": "Bearer omr_looker"}
            await client.get("/api/config?token=SECRET", headers=key)
            await client.get("/api/config?key=omr-SECRET")
            await client.post(CHAT, json=ASK)
            await client.get("/v1/modles")
            await client.delete(CHAT)
            await client.post(CHAT, content=b"{", headers=key)
            coded = {**key, "Content-Encoding": "br"}
            await client.post("/v1/messages/count_tokens", content=b"", headers=coded)
            large = b"x" * 66_000
            await client.post("/v1/messages/count_tokens", content=large, headers=key)
            await client.get("/healthz")
            await client.get("/metrics")
            host, port = gateway.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
            await reader.read()
            writer.close()
    lines = [one for one in caplog.records if one.name == "omniroute.requests"]
    shown = [
        (one.levelname, re.sub(r" \d+ ms|request_id=\S+", "", one.getMessage()).strip())
        for one in lines
    ]
    assert shown == [
        ("INFO", "GET /api/config 200"),
        ("INFO", "GET /api/config 401 error_class=authentication"),
        ("INFO", f"POST {CHAT} 401 error_class=authentication"),
        ("INFO", "GET /v1/modles 404 error_class=not_found"),
        ("INFO", f"DELETE {CHAT} 405 error_class=method_not_allowed"),
        ("INFO", f"POST {CHAT} 400 key=looker error_class=invalid_request"),
        ("INFO", "POST /v1/messages/count_tokens 415 error_class=invalid_request"),
        ("INFO", "POST /v1/messages/count_tokens 413 error_class=too_large"),
        ("DEBUG", "GET /healthz 200"),
        ("INFO", "GET /metrics 401 error_class=authentication"),
        ("INFO", "- - 400 error_class=invalid_request"),
    ]
    assert "SECRET" not in caplog.text
    first = vars(lines[0])["fields"]
    assert {**first, "duration_ms": 0, "request_id": ""} == {
        "method": "GET", "path": "/api/config", "status": 200, "duration_ms": 0, "request_id": "",
    }  # fmt: skip


def test_a_terminal_is_somebody_who_looks_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, follower = os.openpty()
    with (
        os.fdopen(leader, "rb"),
        os.fdopen(follower, "w") as terminal,
        (tmp_path / "log").open("w") as file,
    ):
        settings: tuple[RequestLog, ...] = ("off", "on", "terminal")
        for stderr, wanted in ((terminal, [False, True, True]), (file, [False, True, False])):
            monkeypatch.setattr("sys.stderr", stderr)
            assert [is_wanted(setting) for setting in settings] == wanted


def test_json_lines_have_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        set_up_logging(json_lines=True)
        logging.getLogger("omniroute.requests").info("words", extra={"fields": {"status": 200}})
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert '"fields":{"status":200}' in capsys.readouterr().err
