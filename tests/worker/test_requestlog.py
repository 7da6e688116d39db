"""The lines that requests leave in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from omniroute.base.log import set_up_logging
from tests.chat import ASK, COMPLETION, answer, lab
from tests.running import running
from tests.scripted import scripted_upstream

CHAT = "/v1/chat/completions"


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
    assert text.startswith(f"{CHAT} 200 ")
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
