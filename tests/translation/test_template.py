"""Each directive of the notation, on its own."""

from __future__ import annotations

from typing import Any

import pytest

from omniroute.errors import TranslationError
from omniroute.translation.template import TemplateCompiler


def make(template: Any, node: Any, **ctx: Any) -> Any:
    compiler = TemplateCompiler(
        maps={"words": {"one": "eins", "two": "zwei", "uno": "eins"}, "sizes": {"s": 1, "l": 10}},
        mappings={"pair": {"k": "a", "v": "b"}},
    )
    compiler.collect_names(template)
    compiler.add_mappings(())
    compiler.add("it", template, ())
    assert compiler.problems == []
    return compiler.program("<test>").load()["it"](node, {"dropped": {}, **ctx})


@pytest.mark.parametrize(
    ("template", "node", "expected"),
    [
        pytest.param({"x": "a.b", "y": "c"}, {"a": {"b": 1}}, {"x": 1}, id="absent keys go"),
        pytest.param({"x": {"y": "a"}}, {}, None, id="an empty object is absent"),
        pytest.param({"x": None, "y": 5}, {}, {"x": None, "y": 5}, id="scalars stand"),
        pytest.param({"x": {"$nullable": "a"}}, {}, {"x": None}, id="nullable"),
        pytest.param({"x": {"$lit": {}}}, {}, {"x": {}}, id="literal"),
        pytest.param(["a", {"$each": "b"}], {"a": 1, "b": [2, 3]}, [1, 2, 3], id="concatenation"),
        pytest.param(["a"], {}, None, id="an empty list is absent"),
        pytest.param(
            {"$each": "a", "$as": {"n": "@"}}, {"a": [1, 2]}, [{"n": 1}, {"n": 2}], id="each"
        ),
        pytest.param(
            {"$each": "a", "$as": "@", "$flat": True}, {"a": [[1], [2]]}, [1, 2], id="flat"
        ),
        pytest.param(
            {"$each": "a", "$merge": "r"},
            {"a": [{"r": 1, "l": [1]}, {"r": 1, "l": [2]}, {"r": 2}]},
            [{"r": 1, "l": [1, 2]}, {"r": 2}],
            id="merge",
        ),
        pytest.param(
            {"$each": "a", "$merge": "r"},
            {"a": [{"r": 1, "n": "x", "l": [1]}, {"r": 1, "n": "y", "l": [2]}]},
            [{"r": 1, "n": "x", "l": [1]}, {"r": 1, "n": "y", "l": [2]}],
            id="what differs is not merged",
        ),
        pytest.param({"$switch": "a", "x | y": 1, "$else": 2}, {"a": "y"}, 1, id="switch"),
        pytest.param({"$switch": "a", "x": 1, "$else": 2}, {}, 2, id="switch else"),
        pytest.param({"$switch": "a", "$null": 1}, {}, 1, id="switch null"),
        pytest.param({"$switch": "a", "true": 1, "false": 2}, {"a": False}, 2, id="switch bool"),
        pytest.param({"$when": "a", "$then": 1, "$else": 2}, {"a": []}, 2, id="when"),
        pytest.param({"$use": "pair"}, {"a": 1}, {"k": 1}, id="use"),
        pytest.param({"$use": "pair", "$with": "x"}, {"x": {"b": 2}}, {"v": 2}, id="use with"),
        pytest.param({"$at": "x", "$then": {"n": "y"}}, {"x": {"y": 1}}, {"n": 1}, id="at"),
        pytest.param({"$at": "x", "$then": {"n": 1}}, {}, None, id="at nothing"),
        pytest.param(
            {"$let": {"z": "a"}, "$in": {"$at": "b", "$then": {"n": "var('z')"}}},
            {"a": 1, "b": 2},
            {"n": 1},
            id="let",
        ),
        pytest.param({"$pipe": ["a", {"n": "b"}]}, {"a": {"b": 1}}, {"n": 1}, id="pipe"),
        pytest.param({"x": 1, "$spread": "a"}, {"a": {"y": 2}}, {"x": 1, "y": 2}, id="spread"),
        pytest.param({"x": 1, "$spread": "a"}, {}, {"x": 1}, id="spread nothing"),
        pytest.param({"$text": "[DONE]"}, {}, "[DONE]", id="text"),
        pytest.param("lookup('words', a)", {"a": "two"}, "zwei", id="lookup"),
        pytest.param("lookup_back('words', a)", {"a": "eins"}, "one", id="lookup back"),
        pytest.param("band('sizes', a)", {"a": 12}, "l", id="band"),
        pytest.param("band('sizes', a)", {"a": 0}, "s", id="band below"),
    ],
)
def test_makes(template: Any, node: Any, expected: Any) -> None:
    assert make(template, node) == expected


@pytest.mark.parametrize(
    ("template", "node", "message"),
    [
        pytest.param({"$each": "a.b"}, {"a": {"b": 1}}, "a.b must be an array", id="each"),
        pytest.param({"$switch": "a", "x": 1}, {"a": "q"}, "a: 'q' cannot be", id="switch"),
        pytest.param({"$reject": "not here"}, {}, "not here", id="reject"),
    ],
)
def test_refuses(template: Any, node: Any, message: str) -> None:
    with pytest.raises(TranslationError, match=message):
        make(template, node)


def test_drop_is_noted_once() -> None:
    dropped: dict[str, None] = {}
    assert make([{"$drop": "x"}, {"$drop": "x"}], {}, dropped=dropped) is None
    assert list(dropped) == ["x"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(None, [False, False], id="unknown"),
        pytest.param(frozenset({"tools"}), [True, False], id="has"),
        pytest.param(frozenset[str](), [False, True], id="lacks"),
    ],
)
def test_capabilities(known: frozenset[str] | None, expected: list[bool]) -> None:
    assert make("[has('tools'), lacks('tools')]", {}, capabilities=known) == expected


def test_fresh_ids_follow_the_seed() -> None:
    first, second = make("[new_id('a_'), new_id('a_')]", {}, seed="s")
    assert first != second
    assert first.startswith("a_")
    assert make("[new_id('a_'), new_id('a_')]", {}, seed="s") == [first, second]
    assert make("new_id('a_')", {}, seed="other") != first
