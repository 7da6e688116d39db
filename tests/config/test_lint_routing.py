"""The rules about aliases and combos: each finding where the golden file says, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.routing.configs import check_text

FOLDER = Path(__file__).resolve().parents[1] / "golden/config/lint"
CODES = sorted(folder.name for folder in FOLDER.glob("OR6*"))
_EXPECT = re.compile(r"# expect: (OR\d{3})")


@pytest.mark.parametrize("code", CODES)
def test_bad_file_is_found_out(code: str) -> None:
    text = (FOLDER / code / "bad.yaml").read_text()
    expected = [
        (number, found)
        for number, line in enumerate(text.splitlines(), start=1)
        for found in _EXPECT.findall(line)
    ]
    assert code in {found for _, found in expected}
    assert [(d.line, d.code) for d in check_text(text).diagnostics] == expected


@pytest.mark.parametrize("code", CODES)
def test_good_file_passes(code: str) -> None:
    text = (FOLDER / code / "good.yaml").read_text()
    assert [str(found) for found in check_text(text).diagnostics] == []


def test_a_loop_is_named_in_full() -> None:
    text = (FOLDER / "OR603/bad.yaml").read_text()
    [found] = check_text(text).diagnostics
    assert found.message == "this closes a loop: quick → smart → fast → quick"


def test_a_wrong_target_brings_a_suggestion() -> None:
    text = (FOLDER / "OR601/bad.yaml").read_text()
    hints = [found.hint for found in check_text(text).diagnostics]
    assert hints == ['did you mean "a/small"?', 'did you mean "fast"?']
