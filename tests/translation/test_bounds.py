"""A body that is too short to break a limit is not looked into; nothing is let through for it."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.model import RequestLimits
from omniroute.errors import TranslationError
from tests.translation.tables import formats

LIMITS: Final = RequestLimits(messages=3, tools=2, name_bytes=20)
ENDLESS: Final = 1 << 40
NAMES: Final = st.text(alphabet="a\u00e9\u20ac\U0001f600\x00", max_size=24)
TOOL: Final = st.fixed_dictionaries({"type": st.just("function"), "name": NAMES})
TOOLS: Final = st.lists(TOOL | st.just(0), max_size=4)
ITEM: Final = st.fixed_dictionaries({"role": st.just("user"), "content": NAMES}) | st.just(0)
BODY: Final = st.fixed_dictionaries(
    {},
    optional={
        "model": NAMES,
        "tools": TOOLS,
        "messages": st.lists(ITEM, max_size=5),
        "contents": st.lists(ITEM, max_size=5),
        "input": st.lists(ITEM, max_size=5),
    },
)


def _refused(client: str, body: dict[str, Any], size_bytes: int) -> str | None:
    try:
        formats().client(client).check_bounds(body, LIMITS, size_bytes=size_bytes)
    except TranslationError as error:
        return error.message
    return None


@pytest.mark.parametrize("client", sorted(formats().speaking["chat"]))
@given(body=BODY)
def test_the_size_of_a_body_changes_no_judgement(client: str, body: dict[str, Any]) -> None:
    raw = orjson.dumps(body)
    assert _refused(client, body, len(raw)) == _refused(client, body, ENDLESS)


def test_the_shortest_body_beyond_a_limit_is_refused() -> None:
    body: dict[str, Any] = {"messages": [0, 0, 0, 0]}
    assert _refused("openai-chat", body, len(orjson.dumps(body)))
