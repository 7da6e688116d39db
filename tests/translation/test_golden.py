"""Golden cases: one file, one behaviour; `--update-golden` rewrites what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.translation.golden import cases, load, outcome, save


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in cases()])
def test_golden(path: Path, *, update_golden: bool) -> None:
    case = load(path)
    found = outcome(case)
    if update_golden:
        save(path, found)
    else:
        assert found == case.get("expect")
