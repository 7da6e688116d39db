"""What of a provider's words is kept: bounded, and with no secret in it, also where it is cut."""

from __future__ import annotations

import pytest

from omniroute.base.secret import MASK, Redactor, Secret
from omniroute.request.provider import heard
from omniroute.translation.values import Failure

WORD = "correcthorsebatterystaple"
"""Begins as words do, so that its beginning alone is not masked."""
redact = Redactor([Secret(WORD)])


@pytest.mark.parametrize("before", [0, 3980, 3999, 4000, 9000])
def test_words_are_masked_before_they_are_cut(before: int) -> None:
    words = "x" * before + WORD + "y" * 9000
    said = Failure(kind="upstream", status=502, message=words, code=words, param=words)
    kept = heard(said, redact)
    assert kept.message == ("x" * before + MASK + "y" * 9000)[:4000]
    assert kept.code is not None
    assert kept.param is not None
    for word in (kept.code, kept.param):
        assert len(word) == 200
        assert WORD[:5] not in word


def test_nothing_said_stays_nothing() -> None:
    said = Failure(kind="upstream", status=502, message="no")
    assert heard(said, redact) == said
