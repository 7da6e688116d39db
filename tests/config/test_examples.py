"""Every shipped configuration passes `check --strict`."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniroute.cli.options import check_files

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    ROOT / "omniroute.yaml",
    ROOT / "omniroute/cli/starter.yaml",
    *sorted((ROOT / "examples/configs").glob("*.yaml")),
    ROOT / "examples/cohere/omniroute.yaml",
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_findings(file: Path) -> None:
    checked = check_files((str(file),))
    assert [str(item) for item in checked.diagnostics] == []
    assert checked.config is not None
