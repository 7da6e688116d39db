"""Every row of every table is run by some golden case, or it is said why none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml

from omniroute.config.model import RequestLimits
from tests.translation import answers, golden
from tests.translation.coverage import Coverage

_EXCUSED: Final = Path(__file__).with_name("uncovered.yaml")
_ELSEWHERE: Final = ("facts", "set", "count", "listing", "continuing", "passthrough")
"""Sections that no golden case speaks of; tests of the gateway and of passing through run them."""


def test_every_row_is_run_by_a_golden_case(monkeypatch: pytest.MonkeyPatch) -> None:
    coverage = Coverage()
    watched = coverage.load(monkeypatch)
    monkeypatch.setattr(golden, "formats", lambda: watched)
    limits = RequestLimits()
    for case in map(golden.load, golden.cases()):
        golden.outcome(case)
        body: dict[str, Any] = {"model": "m"} | (case["given"].get("request") or {})
        client = watched.client(case["client"], golden.kind_of(case))
        client.check_bounds(body, limits, size_bytes=1 << 30)
        client.facts(body)
    watched.client("ollama-generate").check_bounds(
        {"model": "m", "images": ["aGk="]}, limits, size_bytes=1 << 30
    )
    for format, name, node, _ in answers.CASES.values():
        watched.client(format).answer(name, node)
    watched.client("gemini").request_in("count", b"{}")
    responses = watched.client("openai-responses")
    meant = responses.request_in("compact", b'{"input": "hi"}')
    assert orjson.loads(meant) == {
        "input": [{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}],
        "stream": False,
        "store": False,
    }
    spoken = responses.socket
    assert spoken is not None
    message = {"type": "response.create", "input": "hi", "generate": False, "stream_id": "a"}
    assert spoken.request(message) == {"input": "hi", "stream": True}
    assert spoken.prepares(message)
    assert spoken.error(b'{"error":{"message":"no"}}', 400, {"a": "b"}) == (
        b'{"type":"error","status":400,"error":{"message":"no","headers":{"a":"b"}},"headers":{"a":"b"}}'
    )
    watched.client("ollama").details_of({"name": "m"})
    excused: dict[str, dict[str, str]] = yaml.safe_load(_EXCUSED.read_text(encoding="utf-8"))
    idle = {file: set(rows) for file, rows in coverage.idle(but=_ELSEWHERE).items()}
    assert idle == {file: set(rows) for file, rows in excused.items()}
