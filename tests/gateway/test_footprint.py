"""A plain request touches no more than it did: calls and objects do not depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST = {"calls": 378, "functions": 265, "files": 75, "objects": 38}
"""A little above what is measured, where a path may take one turn more; docs/a-request.md."""


def test_a_plain_request_stays_small() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.gateway.footprint"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    figures = json.loads(told.stdout)
    assert figures["calls"] > 100  # else nothing was counted
    assert {name: figures[name] for name in MOST if figures[name] > MOST[name]} == {}
