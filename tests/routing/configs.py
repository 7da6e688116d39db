"""Configurations for tests: from YAML text through the product's own check."""

from __future__ import annotations

from datetime import UTC, datetime

from omniroute.catalog.presets import is_priced
from omniroute.config.check import Checked, check
from omniroute.config.loader import TextReader
from omniroute.config.model import Config

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def check_text(text: str) -> Checked:
    reader = TextReader({"omniroute.yaml": text.encode()})
    return check(("omniroute.yaml",), reader=reader, presets={}, priced=is_priced, now=NOW)


def config_of(text: str) -> Config:
    checked = check_text(text)
    errors = [str(found) for found in checked.diagnostics if found.severity == "error"]
    assert checked.config is not None, "\n".join(errors)
    return checked.config
