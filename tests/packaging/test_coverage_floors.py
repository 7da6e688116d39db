"""The floors of coverage: what counts for a package, and when one is below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.coverage_floors import FLOORS, below, shares


def file(lines: tuple[int, int], branches: tuple[int, int]) -> dict[str, Any]:
    return {
        "summary": {
            "covered_lines": lines[0],
            "num_statements": lines[1],
            "covered_branches": branches[0],
            "num_branches": branches[1],
        }
    }


def test_lines_and_branches_of_a_package_count_together() -> None:
    report = {
        "files": {
            "omniroute/http/edge/app.py": file((8, 10), (1, 5)),
            "omniroute/http/surface.py": file((5, 5), (0, 0)),
            "omniroute/errors.py": file((1, 1), (0, 0)),
        }
    }
    assert shares(report) == {"": 100.0, "http": 70.0}


def test_a_package_below_its_floor_is_named() -> None:
    assert below({"http": 0.0, "gateway": 100.0, "new": 1.0}) == {"http": 0.0}


def test_every_floor_is_of_a_package() -> None:
    root = Path(__file__).parents[2] / "omniroute"
    assert {name for name in FLOORS if not (root / name / "__init__.py").is_file()} == set()
