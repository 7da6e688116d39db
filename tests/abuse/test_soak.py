"""What a soak makes of its samples; a soak itself takes minutes."""

from __future__ import annotations

import pytest

from tests.abuse.soak import BOUNDS, Sample, grown


def samples(*rss_mb: float) -> list[Sample]:
    return [
        Sample(at_s=at * 60.0, requests=at, rss_mb=one, descriptors=20, tasks=9, spool_mb=1.0)
        for at, one in enumerate(rss_mb)
    ]


@pytest.mark.parametrize(
    ("rss_mb", "held"),
    [
        pytest.param([150.0] * 60, True, id="level"),
        pytest.param([150.0 + at for at in range(60)], False, id="a slope"),
        pytest.param([150.0 + at / 10 for at in range(60)], True, id="a slope that is allowed"),
        pytest.param([150.0] * 58 + [900.0, 900.0], True, id="high for a moment"),
        pytest.param([150.0 + at % 10 * 5 for at in range(60)], True, id="up and down"),
        pytest.param([150.0], False, id="too short"),
    ],
)
def test_a_slope_is_told_from_noise(rss_mb: list[float], held: bool) -> None:
    assert grown("memory", BOUNDS["memory, MB"], samples(*rss_mb)).held is held
