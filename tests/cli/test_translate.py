"""`omniroute translate` and `omniroute formats`: results to stdout, what was lost to stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from omniroute.cli.main import cli
from omniroute.errors import OmnirouteError, UsageError

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 1}
ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
STREAM = (
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def run(*words: str, data: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(words), input=data)


def translate(source: str, to: str, *words: str, data: bytes) -> Result:
    return run("translate", "--from", source, "--to", to, *words, "-", data=data)


def test_a_request_and_what_was_dropped() -> None:
    result = translate("openai-chat", "anthropic", "--model", "claude", data=orjson.dumps(CHAT))
    assert orjson.loads(result.stdout) == {
        "model": "claude",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    assert result.stderr == "POST /v1/messages\ndropped: seed\n"


def test_a_request_as_a_presets_servers_want_it() -> None:
    body = orjson.dumps({**CHAT, "max_completion_tokens": 9, "store": False})
    result = translate("openai-chat", "openai-chat", "--preset", "mistral", data=body)
    assert orjson.loads(result.stdout) == {
        "model": "model",
        "messages": CHAT["messages"],
        "max_tokens": 9,
        "random_seed": 1,
    }
    assert result.stderr == "POST /chat/completions\ndropped: store\n"


def test_an_answer() -> None:
    result = translate("anthropic", "openai-chat", "--response", data=orjson.dumps(ANSWER))
    assert orjson.loads(result.stdout)["choices"][0]["message"]["content"] == "hello"


def test_a_stream(tmp_path: Path) -> None:
    file = tmp_path / "answer.sse"
    file.write_bytes(STREAM)
    result = run("translate", "--from", "openai-chat", "--to", "anthropic", "--stream", str(file))
    events = [line for line in result.stdout.splitlines() if line.startswith("event: ")]
    assert events == [
        f"event: {name}"
        for name in (
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        )
    ]


def test_what_cannot_cross_is_refused() -> None:
    result = translate("openai-chat", "anthropic", data=orjson.dumps({**CHAT, "n": 2}))
    assert isinstance(result.exception, OmnirouteError)
    assert str(result.exception).startswith("refused (n): ")


@pytest.mark.parametrize(
    ("words", "data", "message"),
    [
        pytest.param(("--to", "smoke-signals"), b"{}", "no format smoke-signals", id="format"),
        pytest.param(("--to", "anthropic"), b"{", "not JSON", id="not JSON"),
        pytest.param(("--to", "anthropic"), b"[]", "JSON object", id="no object"),
        pytest.param(("--to", "anthropic", "--response", "--stream"), b"", "not both", id="both"),
    ],
)
def test_wrong_use(words: tuple[str, ...], data: bytes, message: str) -> None:
    result = run("translate", "--from", "openai-chat", *words, "-", data=data)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_formats_lists_the_tables() -> None:
    result = run("formats", "--json")
    found = {row["format"]: row for row in orjson.loads(result.stdout)}
    assert found["anthropic"]["framing"] == "sse-named"
    assert "sampling.n" in found["anthropic"]["rejects"]
    assert "openai-chat" in run("formats").stdout


def test_a_table_of_ones_own_is_used_and_checked(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "translators" / "openai-chat.yaml"
    text = shipped.read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    text = text.replace("format: openai-chat", "format: own").replace(" /v1/", " /own/")
    own.write_text(text, encoding="utf-8")
    listed = run("formats", "--json", "--tables", str(tmp_path))
    assert "own" in [row["format"] for row in orjson.loads(listed.stdout)]
    own.write_text(text.replace("$use: part}", "$use: prat}"), encoding="utf-8")
    broken = run("formats", "--tables", str(tmp_path))
    assert isinstance(broken.exception, OmnirouteError)
    assert f"{own}:" in broken.stderr
    assert "there is no mapping prat" in broken.stderr
