"""YAML text to nodes: scalars, positions, and everything that is refused."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.yamltree import (
    MAX_BYTES,
    MAX_DEPTH,
    Scalar,
    key_mark,
    parse_yaml,
    to_plain,
    value_mark,
    walk,
)


def plain(text: str) -> object:
    document = parse_yaml(text.encode(), "f")
    assert document.root is not None
    assert document.diagnostics == ()
    return to_plain(document.root)


def findings(data: bytes | str) -> list[str]:
    raw = data.encode() if isinstance(data, str) else data
    return [f"{d.line}:{d.column} {d.code}" for d in parse_yaml(raw, "f").diagnostics]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("012", "012"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2027-12-31", "2027-12-31"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("+", "+"),
        (".", "."),
        ("1.2.3", "1.2.3"),
        ("-x", "-x"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ('"1"', "1"),
        ("'true'", "true"),
        ("!!str 1", "1"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("9223372036854775807", 9223372036854775807),
    ],
)
def test_scalars_read_as_the_core_schema_at_its_plainest(written: str, value: object) -> None:
    assert plain(f"k: {written}") == {"k": value}


def test_anchors_and_merge_keys_with_explicit_keys_winning() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {x: 9, z: 3}\nc:\n  <<: [*a, *b]\n  y: 5\nd: *a\n"
    assert plain(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 9, "z": 3},
        "c": {"y": 5, "x": 1, "z": 3},
        "d": {"x": 1, "y": 2},
    }


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    assert plain('a: {"<<": 1}') == {"a": {"<<": 1}}


def test_an_empty_file_is_an_empty_map() -> None:
    assert plain("# nothing\n") == {}


def test_a_byte_order_mark_does_not_count() -> None:
    document = parse_yaml(b"\xef\xbb\xbfa: 1\n", "f")
    assert document.root is not None
    assert document.root.entries["a"].mark.column == 1


def test_positions_are_one_based_and_count_characters() -> None:
    document = parse_yaml("ä: 'ö'\nkeys:\n  - {a: b}\n".encode(), "f")
    assert document.root is not None
    places = {path: (mark.line, mark.column) for path, mark, _ in walk(document.root)}
    assert places == {
        (): (1, 1),
        ("ä",): (1, 1),
        ("keys",): (2, 1),
        ("keys", 0): (3, 5),
        ("keys", 0, "a"): (3, 6),
    }
    assert value_mark(document.root, ("ä",)).column == 4
    assert key_mark(document.root, ("keys", 0, "gone")).line == 3


def test_a_merged_key_points_at_where_it_is_written() -> None:
    document = parse_yaml(b"a: &a\n  x: 1\nb:\n  <<: *a\n", "f")
    assert document.root is not None
    assert key_mark(document.root, ("b", "x")).line == 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", ["3:1 OR104"], id="duplicate"),
        pytest.param("a: {b: 1, b: 2}\n", ["1:11 OR104"], id="duplicate in flow"),
        pytest.param(b"a: \xe4\n", ["1:4 OR101"], id="latin-1"),
        pytest.param("ab: ".encode("utf-16"), ["1:1 OR101"], id="utf-16"),
        pytest.param("ok: 1\nx: a\0b\n", ["2:5 OR102"], id="NUL"),
        pytest.param("a: \x1b[0m\n", ["1:4 OR102"], id="escape sequence"),
        pytest.param(b"#" * (MAX_BYTES + 1), ["1:1 OR103"], id="huge"),
        pytest.param("a:\n\tb: 1\n", ["2:1 OR105"], id="tab"),
        pytest.param("a: [1\n", ["2:1 OR105"], id="open bracket"),
        pytest.param("a: b: c\n", ["1:5 OR105"], id="two colons"),
        pytest.param("- a\n", ["1:1 OR106"], id="list"),
        pytest.param("text\n", ["1:1 OR106"], id="text"),
        pytest.param("1: a\ntrue: b\n~: c\n", ["1:1 OR107", "2:1 OR107", "3:1 OR107"], id="keys"),
        pytest.param("? [a]\n: b\n", ["1:3 OR107"], id="list as key"),
        pytest.param("a: 1\n---\nb: 2\n", ["2:1 OR108"], id="two documents"),
        pytest.param("a: *b\n", ["1:4 OR109"], id="alias without anchor"),
        pytest.param("a: &a [*a]\n", ["1:8 OR109"], id="alias in its anchor"),
        pytest.param("a:\n  <<: 1\n", ["2:3 OR109"], id="merge of a number"),
        pytest.param("a: !!python/object:os.system x\n", ["1:4 OR110"], id="python tag"),
        pytest.param("a: !include x\nb: 1\nb: 2\n", ["1:4 OR110", "3:1 OR104"], id="goes on"),
        pytest.param("a: 9223372036854775808\n", ["1:4 OR111"], id="65 bits"),
        pytest.param("a: " + "9" * 100_000, ["1:4 OR111"], id="huge int"),
        pytest.param("a: 1e999\n", ["1:4 OR111"], id="huge float"),
        pytest.param("[" * 500, [f"1:{MAX_DEPTH + 1} OR112"], id="deep flow"),
        pytest.param("[" * 100_000, ["1:1001 OR105"], id="very deep flow"),
    ],
)
def test_what_is_refused(data: bytes | str, expected: list[str]) -> None:
    assert findings(data) == expected


def test_a_duplicate_names_the_first_place() -> None:
    (finding,) = parse_yaml(b"a: 1\na: 2\n", "f").diagnostics
    assert [(str(other.mark), other.message) for other in finding.related] == [
        ("f:1:1", "first declared here")
    ]


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert findings("\n".join(lines)) == ["7:5 OR113"]


def test_aliases_in_many_places_count_together() -> None:
    thousand = "a: &a [" + ", ".join(["1"] * 2000) + "]\n"
    assert findings(thousand + "b: [" + ", ".join(["*a"] * 1000) + "]\n") == ["2:4 OR113"]


def test_a_binary_file_gives_few_findings() -> None:
    text = "".join(f"!t{n} a{n}: !x b\n" for n in range(1000))
    assert len(findings(text)) <= 201


@given(st.binary(max_size=300))
def test_any_bytes_give_a_tree_or_a_finding(data: bytes) -> None:
    document = parse_yaml(data, "f")
    assert document.root is not None or document.diagnostics


@given(st.text(alphabet="ab: \n-[]{},&*!'\"|>#?%@`<\t~1.", max_size=80))
def test_any_yaml_like_text_gives_a_tree_or_a_finding(text: str) -> None:
    document = parse_yaml(text.encode(), "f")
    assert document.root is not None or document.diagnostics
    lines = text.split("\n")
    for finding in document.diagnostics:
        assert 1 <= finding.line <= len(lines) + 1


_words = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda word: word.lower() not in ("true", "false", "null")
)
_trees = st.recursive(
    _words,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(_words, inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


def _write(value: object, indent: int) -> str:
    pad = " " * indent
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value).items()
        return "".join(f"\n{pad}{key}: {_write(inner, indent + 2)}" for key, inner in entries)
    if isinstance(value, list):
        items = cast("list[object]", value)
        return "".join(f"\n{pad}- {_write(inner, indent + 2)}" for inner in items)
    return str(value)


@given(st.dictionaries(_words, _trees, min_size=1, max_size=4))
def test_positions_point_at_the_words_themselves(tree: dict[str, object]) -> None:
    text = _write(tree, 0)
    document = parse_yaml(text.encode(), "f")
    assert document.root is not None
    assert to_plain(document.root) == tree
    lines = text.split("\n")
    for path, mark, node in walk(document.root):
        if path and isinstance(path[-1], str):
            assert lines[mark.line - 1][mark.column - 1 :].startswith(path[-1])
        if isinstance(node, Scalar):
            assert lines[node.mark.line - 1][node.mark.column - 1 :].startswith(str(node.value))
