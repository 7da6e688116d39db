"""The rules about policies, addresses, budgets and tests: each finding where the file says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.routing.configs import check_text

FOLDER = Path(__file__).resolve().parents[1] / "golden/config/lint"
CODES = sorted(folder.name for folder in FOLDER.glob("OR7*"))
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


def test_wrong_names_bring_suggestions() -> None:
    hints = [
        found.hint
        for code in ("OR702", "OR721", "OR731")
        for found in check_text((FOLDER / code / "bad.yaml").read_text()).diagnostics
    ]
    assert hints == [
        'did you mean "request.model"?',
        "docs/policies.md lists the fields",
        "header names are lower-case in expressions",
        'did you mean "ci"?',
        'did you mean "platform"?',
        'did you mean "lab"?',
        'did you mean "ci"?',
        None,
        "known here: ip_filter, key, model",
    ]
