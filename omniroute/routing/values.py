"""What a route is made of: models at providers, combos as trees, candidates ready to be tried.

A `Branch` is a compiled combo and a `Leaf` a model at one provider. A branch that several combos
use is compiled once and shared, so the whole is a graph without cycles, never larger than the file
that declares it. A `Candidate` is one leaf through one connection: everything that an attempt
needs is computed when the snapshot is, and a plan only picks and orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from omniroute.config.model import Combo, Connection, Mark, Model, ModelKind, Provider, Resilience
from omniroute.config.names import Hop

Condition = Callable[[Mapping[str, object]], Any]
"""A compiled `when`; what it returns is judged by JMESPath's own rule of truth."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One model at one provider through one connection."""

    provider: Provider
    connection: Connection
    model: str
    """Public id, `provider/model`."""
    upstream_model: str
    """The id that the provider knows."""
    declared: Model | None
    """None for a model that no file declares."""
    resilience: Resilience
    """The combo's, else the provider's, else the global one."""
    key: str
    """`provider/connection/model`: whose breaker, latency and cooldown it is."""
    connection_key: str
    """`provider/connection`: whose queue, quota and credential it is."""
    combo: str | None = None
    """The innermost combo that names the target."""
    mark: Mark | None = None
    """Where the target stands: in the combo's list, else the alias, else the provider."""
    unavailable: str | None = None
    """Why it can never be tried under this snapshot (disabled, secret missing)."""
    kind: ModelKind | None = None
    window: int | None = None
    capabilities: frozenset[str] | None = None
    input_nanousd: int | None = None
    output_nanousd: int | None = None


class Leaf(Struct, frozen=True, kw_only=True):
    """A model at one provider; one candidate for each connection, in the order declared."""

    id: str
    provider: Provider
    declared: Model | None
    candidates: tuple[Candidate, ...]


class Option(Struct, frozen=True):
    """One row of a combo, or one connection of a leaf, as a strategy orders it."""

    at: int
    """Its place among what was declared."""
    weight: int
    group: tuple[Candidate, ...]
    """The candidates behind it, the first one best; never empty."""


class Child(Struct, frozen=True, kw_only=True):
    """One row of a combo's `targets`."""

    node: Leaf | Branch
    target: str
    """As written."""
    index: int
    weight: int = 1
    when: Condition | None = None
    when_text: str | None = None
    mark: Mark | None = None
    option: Option | None = None
    """Made ahead for a model with one connection, which is the usual case."""


class Branch(Struct, frozen=True, kw_only=True):
    """A compiled combo."""

    combo: Combo
    children: tuple[Child, ...]
    mark: Mark | None = None


class Resolved(Struct, frozen=True, kw_only=True):
    """What a requested name stands for; `id` is a combo's name or `provider/model`."""

    requested: str
    id: str
    node: Leaf | Branch
    via: tuple[Hop, ...] = ()
