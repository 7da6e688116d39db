"""A change reaches the files that declare it; comments and what is not meant stay."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from omniroute.config.change import change_files, merge
from omniroute.config.edit import same
from omniroute.config.loader import TextReader, load_tree
from omniroute.config.splices import EditError
from omniroute.config.yamltree import to_plain

MAIN = """\
# The gateway of the lab.
version: 1   # the language
include: [teams/*.yaml, limits.yaml]

server: {port: 8080}  # behind the proxy

providers:
  # free of charge
  echo:
    preset: echo   # built in
    headers: &ours {X-Team: 'platform', X-No: "no"}
  lab:
    base_url: http://10.1.2.3:8000/v1
    headers: *ours
    models:
      m: {kind: chat, price: {input: 1, output: 2}}   # measured

keys:  # who may come in
  ci: {hash: a, tags: {team: x}}

policies:
  # first of all
  - id: no-opus   # expensive
    when: "tags.env == 'ci'"
    action: deny

  - {id: short, action: set}
"""
TEAM_A = """\
# team a
keys:
  a:
    hash: b
    models:   # what they paid for
      - "openai/*"
      # the cheap ones
      - lab/m
policies:
  - id: of-a
    action: warn
"""
TEAM_B = "combos:\n  fast:   # for chats\n    targets: [a, b]\nsettings: {proxy: null}\n"
LIMITS = (
    "# limits\nbudgets:\n  all:\n    limit: 5.00\nsettings:\n  system_prompt: {text: hi}  # ours\n"
)
FILES = {
    "main.yaml": MAIN,
    "teams/a.yaml": TEAM_A,
    "teams/b.yaml": TEAM_B,
    "limits.yaml": LIMITS,
}


def declared(files: dict[str, str]) -> Any:
    reader = TextReader({name: text.encode() for name, text in files.items()})
    loaded = load_tree(("main.yaml",), reader)
    assert loaded.root is not None
    assert not loaded.diagnostics
    return to_plain(loaded.root)


def changed(files: dict[str, str], wanted: Any) -> dict[str, str]:
    """The files as they are after a change to `wanted`."""
    reader = TextReader({name: text.encode() for name, text in files.items()})

    def change(plain: dict[str, Any]) -> None:
        plain.clear()
        plain.update(wanted)

    new = change_files("main.yaml", reader, change)
    return {**files, **{name: data.decode() for name, data in new.items()}}


def lines_of(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    """The lines that are new or others, by file."""
    found = {
        name: [line for line in after[name].splitlines() if line not in before[name].splitlines()]
        for name in before
    }
    return {name: lines for name, lines in found.items() if before[name] != after[name]}


def test_each_entry_is_changed_where_it_stands() -> None:
    wanted = declared(FILES)
    wanted["keys"]["a"]["models"][0] = "cc/*"
    wanted["keys"]["ci"]["tags"]["team"] = "lab"
    wanted["budgets"]["all"]["limit"] = 7
    wanted["policies"][2]["action"] = "deny"
    after = changed(FILES, wanted)
    assert declared(after) == wanted
    assert lines_of(FILES, after) == {
        "main.yaml": ["  ci: {hash: a, tags: {team: lab}}"],
        "teams/a.yaml": ['      - "cc/*"', "    action: deny"],
        "limits.yaml": ["    limit: 7"],
    }


def test_new_entries_join_their_siblings_and_new_sections_the_main_file() -> None:
    wanted = declared(FILES)
    wanted["keys"]["b"] = {"hash": "c"}  # keys stand in two files
    wanted["combos"]["slow"] = {"targets": ["a"]}
    wanted["budgets"]["day"] = {"limit": 1, "period": "daily"}
    wanted["aliases"] = {"nick": "lab/m"}
    wanted["policies"].append({"id": "last", "action": "warn"})
    after = changed(FILES, wanted)
    assert declared(after) == wanted
    assert lines_of(FILES, after) == {
        "main.yaml": ["  b: {hash: c}", "aliases:", "  nick: lab/m"],
        "teams/a.yaml": ["  - id: last"],
        "teams/b.yaml": ["  slow:", "    targets: [a]"],
        "limits.yaml": ["  day:", "    limit: 1", "    period: daily"],
    }


def test_what_goes_goes_everywhere() -> None:
    wanted = declared(FILES)
    del wanted["settings"], wanted["keys"]["a"], wanted["policies"][1]
    after = changed(FILES, wanted)
    assert declared(after) == wanted
    assert after["teams/b.yaml"] == TEAM_B.split("settings")[0]
    assert after["limits.yaml"] == LIMITS.split("settings")[0]
    assert after["teams/a.yaml"].startswith("# team a\nkeys: {}\npolicies:\n")


def test_what_changes_nothing_changes_no_file() -> None:
    assert changed(FILES, copy.deepcopy(declared(FILES))) == FILES


def test_a_byte_order_mark_stays() -> None:
    reader = TextReader({"main.yaml": b"\xef\xbb\xbfversion: 1\n"})
    new = change_files("main.yaml", reader, lambda plain: plain.update(version=2))
    assert new == {"main.yaml": b"\xef\xbb\xbfversion: 2\n"}


def test_files_with_mistakes_are_left() -> None:
    files = {**FILES, "limits.yaml": "budgets: [\n"}
    with pytest.raises(EditError, match=r"limits\.yaml:"):
        changed(files, {})


def test_what_an_alias_says_is_left_to_people() -> None:
    wanted = declared(FILES)
    wanted["providers"]["lab"]["headers"]["X-Team"] = "other"
    with pytest.raises(EditError, match="is an alias"):
        changed(FILES, wanted)


def test_values_merge_into_maps() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": 3, "e": None}
    values = {"a": {"b": None, "x": {"y": 5}}, "d": {"z": 1}, "e": 4}
    assert merge(before, values) == {"a": {"c": 2, "x": {"y": 5}}, "d": {"z": 1}, "e": 4}
    assert merge(None, {"a": None}) == {}


SCALARS = st.sampled_from(
    ("a b", "no", "012", "12:30", "x: y", "#q", "", "ü", "3s", "it's", "- x", "*a", "two\nlines\n")
) | st.sampled_from((0, 5, -1, 1.5, True, None))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("a", "b c", "no", "1")), inner, max_size=3)
    ),
    max_leaves=5,
)
IDS = st.sampled_from(("ci", "a", "new", "other", "x.y", "no"))
KEYED = st.sampled_from(("keys", "providers", "combos", "budgets", "aliases"))


class Edits(RuleBasedStateMachine):
    """Any edits, one after the other: the files say what is meant, and keep their comments."""

    def __init__(self) -> None:
        super().__init__()
        self.files = dict(FILES)
        self.wanted = declared(FILES)

    def _try(self, wanted: Any) -> None:
        try:
            self.files = changed(self.files, wanted)
        except EditError:
            return  # refused, and nothing has changed
        self.wanted = wanted

    @rule(section=KEYED, name=IDS, value=VALUES)
    def put(self, section: str, name: str, value: object) -> None:
        wanted = copy.deepcopy(self.wanted)
        wanted[section] = {**(wanted.get(section) or {}), name: value}
        self._try(wanted)

    @rule(section=KEYED, at=st.integers(0, 9), value=SCALARS, field=IDS)
    def put_field(self, section: str, at: int, value: object, field: str) -> None:
        wanted = copy.deepcopy(self.wanted)
        keyed: dict[str, Any] = wanted.get(section) or {}
        entries = list(keyed.values())
        if entries and isinstance(entries[at % len(entries)], dict):
            entries[at % len(entries)][field] = value
            self._try(wanted)

    @rule(section=KEYED, at=st.integers(0, 9))
    def drop(self, section: str, at: int) -> None:
        wanted = copy.deepcopy(self.wanted)
        names: list[str] = list(wanted.get(section) or {})
        if names:
            del wanted[section][names[at % len(names)]]
            self._try(wanted)

    @rule(at=st.integers(0, 9), value=st.dictionaries(IDS, SCALARS, min_size=1, max_size=3))
    def put_policy(self, at: int, value: dict[str, object]) -> None:
        wanted = copy.deepcopy(self.wanted)
        policies: list[Any] = wanted.get("policies") or []
        wanted["policies"] = [*policies[:at], {"id": f"p{at}", **value}, *policies[at:]]
        self._try(wanted)

    @rule(at=st.integers(0, 9))
    def drop_policy(self, at: int) -> None:
        wanted = copy.deepcopy(self.wanted)
        if wanted.get("policies"):
            del wanted["policies"][at % len(wanted["policies"])]
            self._try(wanted)

    @invariant()
    def the_files_say_what_is_meant(self) -> None:
        assert same(declared(self.files), self.wanted)

    @invariant()
    def comments_stay(self) -> None:
        for name, kept in KEPT.items():
            assert [comment for comment in kept if comment not in self.files[name]] == []


KEPT = {
    "main.yaml": (
        "# The gateway of the lab.",
        "# the language",
        "# behind the proxy",
        "# free of charge",
        "# who may come in",
        "# first of all",
    ),
    "teams/a.yaml": ("# team a",),
    "limits.yaml": ("# limits", "# ours"),
}
"""All comments but those inside an entry that may have been taken away."""

TestEdits = Edits.TestCase
TestEdits.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
