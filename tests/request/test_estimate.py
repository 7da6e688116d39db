from __future__ import annotations

import pytest

from omniroute.catalog.tokens import estimate_request
from omniroute.request.estimate import estimated
from omniroute.translation.values import Usage

BODY = {"model": "m", "messages": [{"role": "user", "content": "How are you today? " * 20}]}
ASKED = estimate_request(BODY)


@pytest.mark.parametrize(
    ("said", "filled"),
    [
        (Usage(), Usage(input_uncached=ASKED, output=7)),
        (Usage(output=3), Usage(input_uncached=ASKED, output=3)),
        (Usage(input_uncached=5), Usage(input_uncached=5, output=7)),
        (
            Usage(cache_read=30, output=3),
            Usage(input_uncached=ASKED - 30, cache_read=30, output=3),
        ),
        (
            Usage(cache_read=9000, output=3),
            Usage(input_uncached=0, cache_read=9000, output=3),
        ),
        (
            Usage(input_uncached=5, reasoning=90),
            Usage(input_uncached=5, output=90, reasoning=90),
        ),
    ],
)
def test_only_what_is_missing_is_filled(said: Usage, filled: Usage) -> None:
    assert estimated(said, lambda: ASKED, lambda: 7) == filled


def test_what_was_counted_costs_no_estimate() -> None:
    def never() -> int:
        raise AssertionError

    assert estimated(Usage(input_uncached=0, output=0), never, never) is None
