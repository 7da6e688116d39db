"""What a request costs: prices by provider, model and day, and exact integer arithmetic.

A price that is not known is None, never zero, and so is the cost that would need it. What the
configuration declares replaces the catalog's price for that model as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct, UnsetType

from omniroute.base.chosen import cached_if_short
from omniroute.config.model import Price

PER_TOKENS: Final = 1_000_000  # prices are per million tokens


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price of every token of a request whose whole input is longer than `above` tokens.

    Fields as of `Price`, by the catalog's own names.
    """

    above: int
    input_nanousd: int | None = None
    output_nanousd: int | None = None
    cached_input_nanousd: int | None = None
    cache_write_nanousd: int | None = None


class PriceCard(Struct, frozen=True, kw_only=True):
    """What one model costs at one moment."""

    base: Price
    tiers: tuple[Tier, ...] = ()
    """Ascending."""
    request_nanousd: int = 0
    """Added for every request."""
    source: str
    """`config`, or the catalog's source with its date; goes into the ledger."""


def declared_price(price: Price) -> PriceCard:
    """The card of a price that stands in the configuration."""
    return PriceCard(base=price, source="config")


def has_price(provider: str | None, model: str) -> bool:
    """Whether the catalog has ever known a price of that model; names as for `price_for`."""
    return provider is not None and bool(_rows(provider, model.lower()))


def has_prices(provider: str) -> bool:
    """Whether the catalog knows prices of that provider at all."""
    return provider in _load().providers


def price_for(
    provider: str | None, model: str, *, at: datetime, declared: Price | None = None
) -> PriceCard | None:
    """The price of a provider's model at that instant; None when nobody knows it.

    `provider` is the catalog's name (`presets.catalog_name`), `model` the id that the provider
    knows. A declared price wins.
    """
    if declared is not None:
        return declared_price(declared)
    rows = _rows(provider, model.lower()) if provider else ()
    if not rows:
        return None
    at = at.astimezone(UTC)
    active = [row for row in rows if row.active(at)]
    row = active[-1] if active else rows[0]
    file = _load()
    return PriceCard(
        base=row.price(),
        tiers=row.tiers,
        request_nanousd=row.request_nanousd,
        source=f"{file.source}, {file.date}",
    )


def cost_nanousd(
    card: PriceCard | None,
    *,
    input_uncached: int | None,
    cache_read: int | None = None,
    cache_write: int | None = None,
    output: int | None = None,
    units: int | None = None,
) -> int | None:
    """The exact cost, rounded once, half up; None when a price or a count that matters is unknown.

    The classes are disjoint. Cached input without a price of its own costs what other input does. A
    provider that reports input but not its caching had none. Output may be unknown where it has no
    price (embeddings). Where a unit has a price, tokens without one cost nothing.
    """
    if card is None:
        return None
    unit = card.base.unit_nanousd
    if input_uncached is None and unit is None:
        return 0 if _is_free(card) else None
    read, written = cache_read or 0, cache_write or 0
    price = _tier(card, (input_uncached or 0) + read + written)
    input_price = price.input_nanousd
    parts = (
        (input_uncached, input_price),
        (read, _or(price.cached_input_nanousd, input_price)),
        (written, _or(price.cache_write_nanousd, input_price)),
        (output, price.output_nanousd),
    )
    total = card.request_nanousd * PER_TOKENS
    if unit is not None:
        if units is None:
            return None
        total += units * unit * PER_TOKENS
        parts = tuple(part for part in parts if part[1] is not None)
    for tokens, per_million in parts:
        if tokens == 0 or per_million == 0 or (tokens is None and per_million is None):
            continue
        if tokens is None or per_million is None:
            return None
        total += tokens * per_million
    return (2 * total + PER_TOKENS) // (2 * PER_TOKENS)


def _or(price: int | None, other: int | None) -> int | None:
    return other if price is None else price


def _is_free(card: PriceCard) -> bool:
    """Whatever the counts are, the cost is zero."""
    prices = (card.base, *card.tiers)
    return not card.request_nanousd and all(
        price.input_nanousd == 0
        and price.output_nanousd == 0
        and not price.cached_input_nanousd
        and not price.cache_write_nanousd
        for price in prices
    )


def _tier(card: PriceCard, input_tokens: int) -> Price | Tier:
    reached = [tier for tier in card.tiers if input_tokens > tier.above]
    return reached[-1] if reached else card.base


class _Match(Struct, frozen=True, kw_only=True):
    """Which model ids a row is for; exactly one field is set."""

    equals: str | UnsetType = msgspec.UNSET
    starts_with: str | UnsetType = msgspec.UNSET
    ends_with: str | UnsetType = msgspec.UNSET
    contains: str | UnsetType = msgspec.UNSET
    regex: str | UnsetType = msgspec.UNSET
    any: tuple[_Match, ...] | UnsetType = msgspec.UNSET
    all: tuple[_Match, ...] | UnsetType = msgspec.UNSET

    def fits(self, model: str) -> bool:
        texts: tuple[tuple[str | UnsetType, Callable[[str], bool]], ...] = (
            (self.equals, model.__eq__),
            (self.starts_with, model.startswith),
            (self.ends_with, model.endswith),
            (self.contains, model.__contains__),
        )
        for text, test in texts:
            if text is not msgspec.UNSET:
                return test(text.lower())
        if self.regex is not msgspec.UNSET:
            return re.search(self.regex, model) is not None
        if self.any is not msgspec.UNSET:
            return any(part.fits(model) for part in self.any)
        return self.all is not msgspec.UNSET and all(part.fits(model) for part in self.all)


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price and when it holds; of several that hold, the last one counts."""

    input_nanousd: int | None = None
    output_nanousd: int | None = None
    cached_input_nanousd: int | None = None
    cache_write_nanousd: int | None = None
    tiers: tuple[Tier, ...] = ()
    request_nanousd: int = 0
    since: date | None = None
    daily: tuple[int, int] | None = None
    """Minutes of the UTC day, from and until; over midnight when the first is the later."""

    def price(self) -> Price:
        return Price(
            input_nanousd=self.input_nanousd,
            output_nanousd=self.output_nanousd,
            cached_input_nanousd=self.cached_input_nanousd,
            cache_write_nanousd=self.cache_write_nanousd,
        )

    def active(self, at: datetime) -> bool:
        if self.since is not None and at.date() < self.since:
            return False
        if self.daily is None:
            return True
        start, end = self.daily
        minute = at.hour * 60 + at.minute
        return start <= minute < end if start <= end else minute >= start or minute < end


class _Model(Struct, frozen=True, kw_only=True):
    match: _Match
    prices: tuple[_Row, ...]


class _Provider(Struct, frozen=True, kw_only=True):
    url: str
    """Regular expression for the start of its base URLs."""
    models: tuple[_Model, ...]


class _File(Struct, frozen=True, kw_only=True):
    """prices.json, as scripts/update_catalog.py writes it."""

    source: str
    date: str
    providers: dict[str, _Provider]


@lru_cache(maxsize=1024)
def provider_at(base_url: str) -> str | None:
    """The catalog's name of the provider that serves this URL, if it knows it."""
    for name, provider in _load().providers.items():
        if re.match(provider.url, base_url):
            return name
    return None


@cached_if_short(4096)  # models come from clients too, so there is a bound
def _rows(provider: str, model: str) -> tuple[_Row, ...]:
    found = _load().providers.get(provider)
    if found is None:
        return ()
    return next((entry.prices for entry in found.models if entry.match.fits(model)), ())


@cache
def _load() -> _File:
    raw = files("omniroute.catalog").joinpath("prices.json").read_bytes()
    return msgspec.json.decode(raw, type=_File)
