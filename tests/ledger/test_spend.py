from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from omniroute.ledger.spend import read_spend
from omniroute.ledger.spool import Spool
from tests.ledger.ready import put_database
from tests.ledger.rows import NOON, row


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's own, which no answer may depend on."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_what_was_spent_since_an_instant_is_told_in_utc(tmp_path: Path) -> None:
    with Spool(put_database(tmp_path)) as spool:
        spool.append(row("before", time=NOON - timedelta(microseconds=1)))
        spool.append(row("at", tags={"team": "x"}))
        spool.append(row("free", cost_nanousd=0))
        spool.append(row("unpriced", cost_nanousd=None))
    (spent,) = read_spend(tmp_path, NOON)
    assert (spent.at, spent.tags, spent.cost_nanousd) == (NOON, {"team": "x"}, 4_275_000)
    assert (spent.key, spent.provider, spent.model) == ("ci", "openai", "gpt-5")
