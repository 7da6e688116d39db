"""Every cell of the matrix as a test, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.matrix.bench import FORMATS, Bench, Pair
from tests.matrix.features import FEATURES, GAPS, Feature
from tests.matrix.table import render


def marks(client: str, upstream: str, feature: Feature) -> list[pytest.MarkDecorator]:
    gap = GAPS.get((client, upstream, feature.name))
    return [] if gap is None else [pytest.mark.xfail(reason=gap)]


CELLS = [
    pytest.param(
        client,
        upstream,
        feature,
        id=f"{client}-to-{upstream}-{feature.name}",
        marks=marks(client, upstream, feature),
    )
    for client in FORMATS
    for upstream in FORMATS
    for feature in FEATURES
    if feature.lacks(client, upstream) is None
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("client", "upstream", "feature"), CELLS)
async def test_cell(table: Bench, client: str, upstream: str, feature: Feature) -> None:
    for scenario in feature.scenarios:
        for stream in feature.streams:
            await feature.check(Pair(table, client, upstream, stream=stream), scenario)


def test_the_page_shows_the_matrix() -> None:
    page = Path(__file__).parents[2] / "docs" / "formats-matrix.md"
    assert page.read_text() == render({}, FORMATS)
