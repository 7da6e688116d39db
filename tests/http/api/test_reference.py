"""docs/http-api.md has every route, and its examples have the fields that answers have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from omniroute.http.edge.routes import Surface
from omniroute.management.metrics import render
from tests.http.api.test_governance import RULES
from tests.running import ECHO, running
from tests.surface import routes

PAGE = (Path(__file__).parents[3] / "docs/http-api.md").read_text(encoding="utf-8")
_HEADING = re.compile(r"^### `([A-Z]+) ([^`]+)`$", re.MULTILINE)
_SECTION = re.compile(r"((?:^### `[A-Z]+ [^`]+`\n)+)(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown(path: str) -> str:
    """A route's path as people write it."""
    return re.sub(r"<(\w+):\w+>", r"[\1]", path)


def examples() -> dict[str, Any]:
    """The first JSON example of each heading."""
    found: dict[str, Any] = {}
    for headings, text in _SECTION.findall(PAGE):
        example = _EXAMPLE.search(text)
        if example is not None:
            for method, path in _HEADING.findall(headings):
                found[f"{method} {path}"] = json.loads(example[1])
    return found


def row_fields(value: Any) -> set[str]:
    """The fields of the first row of a list of objects."""
    rows = cast("list[Any]", value) if isinstance(value, list) else []
    return set(cast("dict[str, Any]", rows[0])) if rows and isinstance(rows[0], dict) else set()


def test_every_route_is_on_the_page() -> None:
    assert sorted(_HEADING.findall(PAGE)) == sorted(
        (route.method, shown(route.path)) for route in routes()
    )


def test_every_route_has_an_example() -> None:
    documented = set(examples()) | {"GET /metrics"}
    assert {f"{route.method} {shown(route.path)}" for route in routes()} <= documented


@pytest.mark.parametrize(
    "path",
    sorted(
        route.path
        for route in routes()
        if route.method == "GET" and route.surface is not Surface.INFERENCE
        if route.path != "/metrics" and "<id:" not in route.path
    ),
)
async def test_examples_have_the_fields_of_answers(tmp_path: Path, path: str) -> None:
    async with running(tmp_path, ECHO + RULES) as gateway:
        ask = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        await gateway.client.post("/v1/chat/completions", json=ask, headers={"X-Session-Id": "s"})
        asked = path.replace("<provider:str>", "echo").replace("<connection:str>", "default")
        answer = (await gateway.client.get(asked)).json()
        example = examples()[f"GET {shown(path)}"]
        if isinstance(answer, list):
            assert row_fields(example) == row_fields(cast("list[Any]", answer))
            return
        assert set(example) == set(answer)
        for name, value in example.items():
            known, real = row_fields(value), row_fields(answer[name])
            assert not known or not real or known == real, name


async def test_every_metric_is_on_the_page(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        text = (await render(gateway.runtime)).decode()
    names = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert {name for name, _ in names if f"`{name}`" not in PAGE} == set()
