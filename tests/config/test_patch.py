"""A section is changed in place: what else stands in the file stays, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.edit import EditError
from omniroute.config.patch import patch_section
from omniroute.config.yamltree import parse_yaml, to_plain


def plain(text: str) -> Any:
    root = parse_yaml(text.encode(), "file").root
    assert root is not None
    return to_plain(root)


CASES = {
    "block": (
        "# why\nresilience:   # tuned\n  retry:\n    attempts: 2  # so\n\n# next\nkeys: {}\n",
        "# why\nresilience:   # tuned\n  retry:\n    attempts: 5  # so\n"
        "  queue:\n    max_wait: 3s\n\n# next\nkeys: {}\n",
    ),
    "flow": (
        "resilience:\n  retry: {attempts: 2, base: 200ms}  # so\nkeys:   {}\n",
        "resilience:\n  retry: {attempts: 5, base: 200ms}  # so\n"
        "  queue:\n    max_wait: 3s\nkeys:   {}\n",
    ),
    "four spaces": (
        "resilience:\n    retry:\n        attempts: 2\n",
        "resilience:\n    retry:\n        attempts: 5\n    queue:\n        max_wait: 3s\n",
    ),
    "on one line": (
        "resilience: {retry: {attempts: 2}}\nkeys: {}\n",
        "resilience: {retry: {attempts: 5}, queue: {max_wait: 3s}}\nkeys: {}\n",
    ),
    "missing": (
        "version: 1",
        "version: 1\n\nresilience:\n  retry:\n    attempts: 5\n  queue:\n    max_wait: 3s\n",
    ),
    "empty": (
        "resilience:\nkeys: {}\n",
        "resilience:\n  retry:\n    attempts: 5\n  queue:\n    max_wait: 3s\nkeys: {}\n",
    ),
    "no newline at the end": (
        "version: 1\nresilience:\n  retry: {attempts: 2}",
        "version: 1\nresilience:\n  retry: {attempts: 5}\n  queue:\n    max_wait: 3s",
    ),
    "windows lines": (
        "resilience:\r\n  retry: {attempts: 2}\r\nkeys: {}\r\n",
        "resilience:\r\n  retry: {attempts: 5}\r\n  queue:\r\n    max_wait: 3s\r\nkeys: {}\r\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_section_is_changed_and_the_rest_is_left(name: str) -> None:
    before, after = CASES[name]
    change = {"retry": {"attempts": 5}, "queue": {"max_wait": "3s"}}
    assert patch_section(before, "resilience", change) == after


def test_none_takes_a_key_away() -> None:
    before = "resilience:\n  retry: {attempts: 2}\n  queue: {max_wait: 1s}\n"
    after = patch_section(before, "resilience", {"retry": None, "queue": {"max_wait": None}})
    assert plain(after) == {"resilience": {"queue": {}}}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: [", id="broken"),
        pytest.param("a: &x {b: 1}\nresilience:\n  retry: *x\n", id="an anchor elsewhere"),
    ],
)
def test_what_cannot_be_changed_is_refused(text: str) -> None:
    with pytest.raises(EditError):
        patch_section(text, "resilience", {"retry": {"attempts": 5}})


_NAMES = st.sampled_from(("retry", "queue", "a-b"))
_SCALARS = (
    st.integers(0, 10**6)
    | st.booleans()
    | st.sampled_from(("3s", "no", "012", "12:30", "a: b", "#x", "", "ü"))
)
_VALUES = st.dictionaries(_NAMES, st.dictionaries(_NAMES, _SCALARS, min_size=1), min_size=1)


@given(_VALUES, _VALUES)
def test_a_change_says_what_was_asked_or_is_refused(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    text = "version: 1  # one\n\nx: {resilience: 1}  # two\n"
    for change in (first, second):
        text = patch_section(text, "resilience", change)
        assert text.startswith("version: 1  # one\n\nx: {resilience: 1}  # two\n")
    wanted = {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}
    assert plain(text)["resilience"] == wanted
