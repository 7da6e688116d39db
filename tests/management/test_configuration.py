"""The configuration as the API shows it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from omniroute.active.disk import Disk
from omniroute.active.inspect import inspect
from omniroute.active.shown import masked
from omniroute.management.configuration import MaskedConfig

ROOT = Path(__file__).parents[2]
EXAMPLES = [ROOT / "omniroute.yaml", *sorted((ROOT / "examples/configs").glob("*.yaml"))]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_is_shown_whole_and_as_described(file: Path) -> None:
    config = inspect((str(file),), Disk()).checked.config
    assert config is not None
    plain = masked(config)
    shown = msgspec.json.encode(msgspec.convert(plain, MaskedConfig))
    assert msgspec.json.decode(shown) == plain
