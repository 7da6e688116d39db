"""The short form of `python -m tests.abuse all`, against one gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.__main__ import ATTACKS
from tests.abuse.attack import CONFIG
from tests.running import Served, served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("abuse")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Served]:
    with served(folder, CONFIG) as gateway:
        yield gateway


@pytest.mark.parametrize("name", ATTACKS)
def test_it_holds(gateway: Served, folder: Path, name: str) -> None:
    verdicts = list(ATTACKS[name](gateway, folder, short=True))
    assert [verdict for verdict in verdicts if not verdict.held] == []
