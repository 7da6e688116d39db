"""The short form of `python -m tests.abuse starts`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.abuse.starts import start_and_end


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_under_fire_answers_and_ends(tmp_path: Path, workers: int) -> None:
    assert start_and_end(tmp_path, workers=workers).broke == ()
