from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.catalog.pricing import (
    PriceCard,
    Tier,
    cost_nanousd,
    declared_price,
    price_for,
    provider_at,
)
from omniroute.config.model import Price

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    provider: str
    model: str
    at: datetime
    tokens: tuple[int | None, int | None, int | None, int | None]
    cost: int | None


CASES = msgspec.yaml.decode(
    (Path(__file__).parents[1] / "golden" / "catalog" / "costs.yaml").read_bytes(), type=list[Case]
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_costs_are_what_the_vendors_lists_say(case: Case) -> None:
    card = price_for(case.provider, case.model, at=case.at)
    uncached, read, write, output = case.tokens
    cost = cost_nanousd(
        card, input_uncached=uncached, cache_read=read, cache_write=write, output=output
    )
    assert cost == case.cost


def test_a_declared_price_replaces_the_catalogs_as_a_whole() -> None:
    mine = Price(input_nanousd=1_000_000_000, output_nanousd=0)
    card = price_for("openai", "gpt-4o", at=NOON, declared=mine)
    assert card == declared_price(mine) == PriceCard(base=mine, source="config")
    assert cost_nanousd(card, input_uncached=1000, cache_read=1000, output=9) == 2_000_000


def test_the_source_names_the_collection_and_its_day() -> None:
    card = price_for("openai", "gpt-4o", at=NOON)
    assert card is not None
    collection, _, day = card.source.partition(", ")
    assert collection.startswith("genai-prices ")
    assert datetime.fromisoformat(day)


def test_case_does_not_matter_to_a_models_id() -> None:
    assert price_for("openai", "GPT-4o", at=NOON) == price_for("openai", "gpt-4o", at=NOON)


@pytest.mark.parametrize("provider", [None, "no-such-provider"])
def test_a_stranger_has_no_prices(provider: str | None) -> None:
    assert price_for(provider, "gpt-4o", at=NOON) is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://generativelanguage.googleapis.com", "google"),
        ("http://127.0.0.1:8000/v1", None),
        ("https://evil.example/?https://api.openai.com", None),
    ],
)
def test_a_provider_is_known_by_where_it_is(url: str, name: str | None) -> None:
    assert provider_at(url) == name


FREE = Price(input_nanousd=0, output_nanousd=0)


@pytest.mark.parametrize(
    ("price", "tokens", "cost"),
    [
        pytest.param(FREE, (None, None), 0, id="free whatever it was"),
        pytest.param(FREE, (10, 10), 0, id="free"),
        pytest.param(Price(), (0, 0), 0, id="nothing used"),
        pytest.param(Price(), (1, 0), None, id="no price"),
        pytest.param(Price(input_nanousd=5), (1, 1), None, id="no price for output"),
        pytest.param(Price(output_nanousd=5), (1, 1), None, id="no price for input"),
        pytest.param(Price(input_nanousd=5, output_nanousd=5), (None, 1), None, id="no usage"),
        pytest.param(Price(input_nanousd=1, output_nanousd=0), (499_999, 0), 0, id="rounded down"),
        pytest.param(Price(input_nanousd=1, output_nanousd=0), (500_000, 0), 1, id="half up"),
    ],
)
def test_unknown_is_none_and_free_is_zero(
    price: Price, tokens: tuple[int | None, int | None], cost: int | None
) -> None:
    assert cost_nanousd(declared_price(price), input_uncached=tokens[0], output=tokens[1]) == cost


counts = st.integers(0, 10**9)
prices = st.integers(0, 10**12)


@given(counts, counts, counts, counts, prices, prices, prices, prices)
def test_the_cost_is_exact_to_half_a_nanodollar(
    uncached: int, read: int, write: int, output: int, pi: int, pr: int, pw: int, po: int
) -> None:
    card = declared_price(
        Price(input_nanousd=pi, cached_input_nanousd=pr, cache_write_nanousd=pw, output_nanousd=po)
    )
    cost = cost_nanousd(
        card, input_uncached=uncached, cache_read=read, cache_write=write, output=output
    )
    assert cost is not None
    exact = Fraction(uncached * pi + read * pr + write * pw + output * po, 10**6)
    assert abs(cost - exact) <= Fraction(1, 2)


@given(counts, counts)
def test_a_tier_is_chosen_by_the_whole_input(uncached: int, read: int) -> None:
    card = PriceCard(
        base=Price(input_nanousd=10**6, output_nanousd=0),
        tiers=(Tier(above=1000, input_nanousd=2 * 10**6, output_nanousd=0),),
        source="test",
    )
    rate = 2 if uncached + read > 1000 else 1
    assert cost_nanousd(card, input_uncached=uncached, cache_read=read, output=0) == rate * (
        uncached + read
    )
