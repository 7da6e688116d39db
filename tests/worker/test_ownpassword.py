"""The password that a gateway keeps for itself: made once or given, never one that is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniroute.base.password import fits
from omniroute.errors import ConfigError
from omniroute.worker.ownpassword import FILE, read_own_password, settle_own_password


def test_it_is_made_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    made = settle_own_password(tmp_path, None)
    assert made is not None
    assert len(made) == 24
    kept = read_own_password(tmp_path)
    assert kept is not None
    assert fits(kept.reveal(), made)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert made not in (tmp_path / FILE).read_text()
    assert settle_own_password(tmp_path, "") is None
    assert read_own_password(tmp_path) == kept


def test_one_that_is_given_takes_its_place_and_stays(tmp_path: Path) -> None:
    settle_own_password(tmp_path, None)
    for initial in ("given-by-hand", "given-by-hand", None):
        before = read_own_password(tmp_path)
        assert settle_own_password(tmp_path, initial) is None
        after = read_own_password(tmp_path)
        assert after is not None
        assert fits(after.reveal(), "given-by-hand")
    assert before == after


@pytest.mark.parametrize("known", ["CHANGEME", "123456", "x" * 2000])
def test_a_known_or_short_one_is_refused(tmp_path: Path, known: str) -> None:
    with pytest.raises(ConfigError, match="INITIAL_PASSWORD is no password"):
        settle_own_password(tmp_path, known)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "text", ["", "plain", "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaA"]
)
def test_what_is_no_hash_of_a_fair_cost_lets_nobody_in(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_own_password(tmp_path) is None
