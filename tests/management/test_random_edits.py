"""Any edits in any order, on a commented configuration of several files: what the files say is what
a model of them says, and no comment is lost but with what it stands at."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from omniroute.config.change import Change, change_files, merge
from omniroute.config.edit import same
from omniroute.config.loader import TextReader, load_tree
from omniroute.config.yamltree import to_plain
from omniroute.errors import RequestError
from omniroute.management.entries import Section, Where, adding, changing, removing

MAIN: Final = "/c/omniroute.yaml"
FILES: Final = {
    MAIN: """\
# Everything begins here.
version: 1
include: [teams/*.yaml]   # one file for each team

server:
  # behind the proxy
  max_body: 32MiB

providers:
  # answers without a key
  echo: {preset: echo}   # of echo
  lab:
    format: openai-chat   # as most do
    base_url: "https://lab.example/v1"
    models:
      # paid by the token
      big: {context_window: 8192}   # of big
      small:                        # of small
        context_window: 1024

combos:
  smart:   # of smart
    strategy: priority
    targets:
      - echo/echo   # the first one

      - {model: lab/big, weight: 2}
  quick: {targets: [lab/small]}   # of quick

# who decides
policies:
  - id: first   # of first
    action: warn
    message: 'first'   # in words

  # the second one
  - {id: second, action: warn, message: m}   # of second
# the end
""",
    "/c/teams/a.yaml": """\
# Team A's own.
aliases:
  fast: echo/echo     # of fast
  "slow-*": 'lab/big'   # of slow-*

keys:
  ci:   # of ci
    hash: &h "sha256:%s"
    tags: {team: a}   # who pays
"""
    % ("0" * 64),
    "/c/teams/b.yaml": """\
combos:
  # Team B's own.
  b-smart:
    targets: [smart]
    max_attempts: 2   # not more

budgets: {b: {limit: 5}}   # of b
""",
}
ENTRY: Final = re.compile(r"# of (\S+)$", re.MULTILINE)
LASTING: Final = frozenset(
    {
        "# Everything begins here.",
        "# one file for each team",
        "# behind the proxy",
        "# answers without a key",
        "# as most do",
        "# Team A's own.",
        "# the end",
    }
)
"""Comments at what no edit takes away."""

SECTIONS: Final[dict[Section, st.SearchStrategy[Any]]] = {
    ("aliases",): st.sampled_from(["echo/echo", "lab/big", "it's: a # model", "yes", "1e3"]),
    ("combos",): st.fixed_dictionaries(
        {
            "targets": st.lists(
                st.sampled_from(["echo/echo", "lab/big", {"model": "lab/small", "weight": 3}]),
                min_size=1,
                max_size=3,
            )
        },
        optional={"max_attempts": st.integers(1, 9), "strategy": st.just("weighted")},
    ),
    ("providers", "lab", "models"): st.fixed_dictionaries(
        {},
        optional={
            "context_window": st.integers(1, 1 << 20),
            "capabilities": st.lists(st.sampled_from(["tools", "vision"]), unique=True),
            "price": st.fixed_dictionaries({"input": st.sampled_from([0, 0.25, 3])}),
        },
    ),
    ("policies",): st.fixed_dictionaries(
        {"action": st.just("warn"), "message": st.sampled_from(["m", "two\nlines\n", 'é ☃ "x"'])},
        optional={"when": st.just("request.model == 'smart'")},
    ),
    ("budgets",): st.fixed_dictionaries({"limit": st.integers(0, 500)}),
}
NAMES: Final[dict[Section, list[str]]] = {
    ("aliases",): ["fast", "slow-*"],
    ("combos",): ["smart", "quick", "b-smart"],
    ("providers", "lab", "models"): ["big", "small"],
    ("policies",): ["first", "second"],
    ("budgets",): ["b"],
}
PLACES: Final = st.sampled_from(
    [Where(section, name) for section, names in NAMES.items() for name in (*names, "new", "newer")]
)


class RandomEdits(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.texts = dict(FILES)
        self.model: dict[str, Any] = self.said()
        self.gone: set[str] = set()

    def said(self) -> dict[str, Any]:
        files = {path: text.encode() for path, text in self.texts.items()}
        loaded = load_tree((MAIN,), TextReader(files))
        assert loaded.root is not None
        assert not loaded.diagnostics
        return to_plain(loaded.root)

    def make(self, change: Change) -> None:
        """Make a change, or see it refused: for the model and for the files alike."""
        reader = TextReader({path: text.encode() for path, text in self.texts.items()})
        wanted = deepcopy(self.model)
        try:
            change(wanted)
        except RequestError:
            return
        for path, data in change_files(MAIN, reader, change).items():
            self.texts[path] = data.decode()
        self.model = wanted

    @rule(where=PLACES, data=st.data())
    def add(self, where: Where, data: st.DataObject) -> None:
        self.make(adding(where, data.draw(SECTIONS[where.section])))

    @rule(where=PLACES, data=st.data())
    def change(self, where: Where, data: st.DataObject) -> None:
        new = data.draw(SECTIONS[where.section])

        def revise(entry: Any) -> Any:
            return new if isinstance(new, str) else merge(entry, new)

        self.make(changing(where, revise, new_name=where.name))

    @rule(where=PLACES, new_name=st.sampled_from(["newest", "other"]))
    def rename(self, where: Where, new_name: str) -> None:
        self.gone.add(where.name)
        self.make(changing(where, lambda entry: entry, new_name=new_name))

    @rule(where=PLACES)
    def remove(self, where: Where) -> None:
        self.gone.add(where.name)
        self.make(removing(where))

    @invariant()
    def the_files_say_what_the_model_says(self) -> None:
        assert same(self.said(), self.model)

    @invariant()
    def comments_are_there(self) -> None:
        text = "\n".join(self.texts.values())
        assert {one for one in LASTING if one not in text} == set()
        before = set(ENTRY.findall("\n".join(FILES.values())))
        assert before - self.gone <= set(ENTRY.findall(text))


TestRandomEdits = RandomEdits.TestCase
TestRandomEdits.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
