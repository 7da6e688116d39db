"""Calls, results and names across turns."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from omniroute.translation.conversation import (
    call_key,
    fit_name,
    is_fitted,
    join_blocks,
    link_calls,
    own_name,
    pair_results,
)

PATTERN = "[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"
MISSING = [{"type": "text", "text": "The tool gave no result."}]


def _call(name: str, identity: str | None = None, **arguments: Any) -> dict[str, Any]:
    call: dict[str, Any] = {"type": "tool_use", "name": name, "input": arguments}
    return call if identity is None else {**call, "id": identity}


def _result(identity: str | None, text: str, name: str | None = None) -> dict[str, Any]:
    result: dict[str, Any] = {"type": "tool_result", "content": [{"type": "text", "text": text}]}
    if identity is not None:
        result["tool_use_id"] = identity
    return result if name is None else {**result, "name": name}


def _missing(identity: str, name: str) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": identity, "name": name}
    return {**result, "content": MISSING, "is_error": True}


def _turns(*blocks: list[Any]) -> list[Any]:
    return [
        {"role": "user" if at % 2 else "assistant", "blocks": one} for at, one in enumerate(blocks)
    ]


def _ids(messages: Any) -> list[str]:
    blocks = [block for message in messages for block in message["blocks"]]
    return [block.get("id") or block.get("tool_use_id") for block in blocks]


def test_results_without_ids_find_their_calls_by_name_and_then_by_order() -> None:
    turns = _turns(
        [_call("f", x=1), _call("g"), _call("f", x=1)],
        [_result(None, "g", "g"), _result(None, "1", "f"), _result(None, "2", "f")],
    )
    first, other = call_key("f", {"x": 1}), call_key("g", {})
    assert _ids(link_calls(turns)) == [first, other, f"{first}_2", other, first, f"{first}_2"]


def test_a_result_without_any_hint_answers_the_oldest_open_call() -> None:
    turns = _turns([_call("f", "a"), _call("g", "b")], [_result(None, "1"), _result(None, "2")])
    assert _ids(link_calls(turns)) == ["a", "b", "a", "b"]


def test_ids_that_are_there_stay() -> None:
    turns = _turns([_call("f", "a"), _call("f", "b")], [_result("b", "1"), _result("a", "2")])
    linked = link_calls(turns)
    assert linked == turns
    assert link_calls(None) is None


def test_results_are_put_in_the_order_of_their_calls_and_missing_ones_are_told() -> None:
    turns = _turns(
        [_call("f", "a"), _call("g", "b")], [{"type": "text", "text": "so"}, _result("b", "2")]
    )
    answer = _missing("a", "f")
    assert pair_results(turns)[0][1]["blocks"] == [
        answer,
        _result("b", "2", "g"),
        {"type": "text", "text": "so"},
    ]


def test_calls_that_nobody_answers_are_answered() -> None:
    answer = _missing("a", "f")
    turns = _turns([_call("f", "a")])
    assert pair_results(turns)[0] == [*turns, {"role": "user", "blocks": [answer]}]
    twice = [*turns, *_turns([_call("f", "a")])]
    assert [message["role"] for message in pair_results(twice)[0]] == ["assistant", "user"] * 2


def test_results_of_no_call_stay_as_words() -> None:
    turns = [{"role": "user", "blocks": [_result("x", "lost"), _result("y", "more")]}]
    assert pair_results(turns)[0][0]["blocks"] == [
        {"type": "text", "text": "lost"},
        {"type": "text", "text": "more"},
    ]


def test_pieces_of_one_thought_are_joined_up_to_its_signature() -> None:
    pieces = [
        {"type": "thinking", "text": "a"},
        {"type": "thinking", "text": "b", "signature": "s"},
        {"type": "thinking", "text": "c"},
        {"type": "text", "text": "d"},
        {"type": "text", "text": "e"},
    ]
    assert join_blocks(pieces, "thinking") == [
        {"type": "thinking", "text": "ab", "signature": "s"},
        *pieces[2:],
    ]


@given(st.text(min_size=1, max_size=90))
def test_every_name_fits_and_comes_back(name: str) -> None:
    fitted = fit_name(name, PATTERN)
    assert re.fullmatch(PATTERN, fitted)
    assert fit_name(fitted, PATTERN) == fitted
    assert fitted == name or is_fitted(fitted)
    assert own_name(fitted, [{"name": "other"}, {"name": name}], PATTERN) == name


def test_a_name_of_nobody_stays() -> None:
    assert own_name("f_0123abcd", None, PATTERN) == "f_0123abcd"
    assert fit_name("ns.tool:x", PATTERN) == "ns.tool:x"
