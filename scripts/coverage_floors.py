"""Hold branch coverage per package to its floor.

    pytest -q -n auto --cov --cov-report=json && python scripts/coverage_floors.py

Reads coverage.json as coverage writes it. Exits with 1, and names the packages, where one lies
below its floor.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

FLOORS: Final = {
    "active": 95,
    "admission": 97,
    "answers": 92,
    "base": 86,
    "catalog": 98,
    "cli": 95,
    "config": 97,
    "decision": 93,
    "expr": 98,
    "gateway": 96,
    "http": 95,
    "ledger": 95,
    "management": 97,
    "request": 95,
    "routing": 94,
    "state": 94,
    "translation": 95,
    "upstream": 95,
    "wire": 98,
    "worker": 95,
}
"""Percent of lines and branches together, by package under `omniroute/`."""


def shares(report: dict[str, Any]) -> dict[str, float]:
    """Percent covered by package."""
    covered: dict[str, int] = {}
    known: dict[str, int] = {}
    for name, file in report["files"].items():
        parts = Path(name).parts
        package = parts[1] if len(parts) > 2 else ""
        told = file["summary"]
        covered[package] = (
            covered.get(package, 0) + told["covered_lines"] + told.get("covered_branches", 0)
        )
        known[package] = (
            known.get(package, 0) + told["num_statements"] + told.get("num_branches", 0)
        )
    return {name: 100 * covered[name] / known[name] for name in sorted(known) if known[name]}


def below(found: dict[str, float]) -> dict[str, float]:
    """The packages that lie below their floor."""
    return {name: share for name, share in found.items() if share < FLOORS.get(name, 0)}


def main() -> int:
    found = shares(json.loads(Path("coverage.json").read_text()))
    for name, share in found.items():
        floor = FLOORS.get(name)
        print(f"{name or '(top)':12} {share:5.1f} %  floor {floor if floor is not None else '-'}")  # noqa: T201
    missing = below(found)
    for name, share in missing.items():
        print(f"{name} lies below its floor: {share:.1f} < {FLOORS[name]}", file=sys.stderr)  # noqa: T201
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
