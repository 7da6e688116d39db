"""`omniroute password hash`."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from unittest.mock import patch

from omniroute.base.password import fits, is_password_hash
from tests.cli.programs import run


def test_a_password_becomes_its_hash(tmp_path: Path) -> None:
    with patch.object(sys, "stdin", io.StringIO("correct-horse\n")):
        ran = run(tmp_path, "password", "hash")
    assert (ran.code, ran.err) == (0, "")
    assert is_password_hash(ran.out.strip())
    assert fits(ran.out.strip(), "correct-horse")
    assert not fits(ran.out.strip(), "correct-horse\n")


def test_a_short_one_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with patch.object(sys, "stdin", io.StringIO("short\n")):
        ran = run(tmp_path, "password", "hash")
    assert (ran.code, ran.out) == (2, "")
    assert "8 to 1024 characters" in ran.err
    assert "short\n" not in ran.err
