"""The exact cache: what may be kept, and that no two different questions share an entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from omniroute.admission.cache import (
    Cached,
    cache_space,
    decode_cached,
    encode_cached,
    may_use_cache,
    scope_of,
    signature,
)
from omniroute.admission.values import Admit
from omniroute.config.model import ExactCache
from tests.admission.cases import caller, key

ADMIT = Admit(caller=caller(key("ci")), model="smart")
BODY: dict[str, Any] = {"model": "smart", "messages": [{"role": "user", "content": "hi"}]}


def sign(scope: str = "key:ci", admit: Admit = ADMIT, **changes: Any) -> str:
    given: dict[str, Any] = {
        "path": "/v1/chat/completions",
        "meaning": ("",),
        "body": BODY,
        **changes,
    }
    return signature(scope, admit, **{**given, **changes})


@pytest.mark.parametrize(
    ("opted", "asked", "expected"),
    [
        (None, {"temperature": 0}, True),
        (None, {"temperature": 0.0}, True),
        (None, {"temperature": None}, False),
        (None, {"temperature": 0.2}, False),
        (None, {"kind": "embedding"}, True),
        (None, {"kind": "image", "temperature": 0}, False),
        (True, {"temperature": 1}, True),
        (False, {"temperature": 0}, False),
        (True, {"no_cache": True}, False),
        (True, {"stream": True}, True),
        (None, {"stream": True, "temperature": 0}, False),
    ],
)
def test_what_may_be_cached(opted: bool | None, asked: dict[str, Any], *, expected: bool) -> None:
    given: dict[str, Any] = {
        "kind": "chat",
        "temperature": None,
        "stream": False,
        "no_cache": False,
        **asked,
    }
    assert may_use_cache(replace(ADMIT, cache=opted), **given) is expected


def test_scopes() -> None:
    one = caller(key("a", tags={"team": "x", "env": "ci"}))
    two = caller(key("b", tags={"env": "ci", "team": "x"}))
    three = caller(key("c", tags={"env": "ci"}))
    assert len({scope_of(who, "key") for who in (one, two, three, caller())}) == 4
    assert scope_of(one, "tag") == scope_of(two, "tag") != scope_of(three, "tag")
    assert scope_of(one, "global") == scope_of(caller(), "global")


def test_the_order_of_fields_and_the_way_of_delivery_do_not_count() -> None:
    turned = {**dict(reversed(BODY.items())), "stream": False}
    assert sign(body=turned) == sign()


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "key:other"},
        {"path": "/v1/messages"},
        {"meaning": ("x",)},
        {"body": {**BODY, "seed": 1}},
        {"body": {**BODY, "seed": None}},
        {"body": {**BODY, "user": "u"}},
        {"admit": replace(ADMIT, model="lab/llama")},
        {"admit": replace(ADMIT, set_fields={"system": "s"})},
    ],
)
def test_everything_else_does(changes: dict[str, Any]) -> None:
    assert sign(**changes) != sign()


texts = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(0, 9), max_size=4)


@given(one=texts, two=texts, scopes=st.tuples(st.text(max_size=5), st.text(max_size=5)))
def test_equal_signatures_mean_equal_questions(
    one: dict[str, Any], two: dict[str, Any], scopes: tuple[str, str]
) -> None:
    same = sign(scopes[0], body=one) == sign(scopes[1], body=two)
    ignored = ("stream", "stream_options")
    left, right = (
        {name: value for name, value in body.items() if name not in ignored} for body in (one, two)
    )
    assert same is (scopes[0] == scopes[1] and left == right)


def test_an_entry_survives_the_store() -> None:
    entry = Cached(body=b"{}", content_type="application/json", provider="lab", model="llama")
    assert decode_cached(encode_cached(entry)) == entry
    space = cache_space(ExactCache(max_entries=7, max_bytes=9, persist=False))
    assert (space.max_entries, space.max_bytes, space.persist) == (7, 9, False)
