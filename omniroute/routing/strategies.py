"""How targets, and connections within a provider, are ordered: one function for each strategy.

A strategy gets the options that can be tried now and returns all of them, the one to be tried
first in front; the rest is the order of fallback. None removes or repeats an option. What each
promises to users is written in docs/routing.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from msgspec import Struct

from omniroute.config.model import Balance, StrategyName
from omniroute.routing.values import Candidate, Option
from omniroute.routing.view import LiveView

_UNKNOWN_LATENCY_S: Final = 0.0  # an untried target is assumed fast, so that it gets tried
_MIN_LATENCY_S: Final = 0.001  # keeps a product of load and latency from vanishing


class Turn(Struct, frozen=True, kw_only=True):
    """All that a strategy may look at."""

    name: str
    """The combo, or `provider/model` when connections are balanced: whose counters to use."""
    live: LiveView
    now_s: float
    rng: Random
    input_tokens: int
    output_tokens: int


Strategy = Callable[[list[Option], Turn], list[Option]]


def in_order(options: list[Option], turn: Turn) -> list[Option]:
    """As declared."""
    return options


def weighted(options: list[Option], turn: Turn) -> list[Option]:
    """First with probability weight/sum, the next among the rest likewise.

    Sorting by an exponential draw with rate `weight` is exactly that (Efraimidis and Spirakis).
    Weight 0 is used only when nothing else is left.
    """
    draw, log = turn.rng.random, math.log
    return sorted(options, key=lambda o: -log(1.0 - draw()) / o.weight if o.weight else math.inf)


def round_robin(options: list[Option], turn: Turn) -> list[Option]:
    """Each in its turn."""
    at = turn.live.turn(turn.name) % len(options)
    return options[at:] + options[:at]


def random_order(options: list[Option], turn: Turn) -> list[Option]:
    """Any order, all equally likely."""
    draw = turn.rng.random
    return sorted(options, key=lambda _: draw())


def strict_random(options: list[Option], turn: Turn) -> list[Option]:
    """A shuffled deck: none comes again before all came once."""
    by_at = {option.at: option for option in options}
    dealt = turn.live.deal(turn.name, tuple(by_at), turn.rng)
    front = [by_at.pop(at) for at in dealt]
    return front + list(by_at.values())


def least_used(options: list[Option], turn: Turn) -> list[Option]:
    """Fewest requests recently."""
    find, now_s = turn.live.models.get, turn.now_s

    def uses(option: Option) -> float:
        if len(option.group) == 1:
            health = find(option.group[0].key)
            return 0.0 if health is None else round(health.recent_uses(now_s), 6)
        found = [find(candidate.key) for candidate in option.group]
        # Rounded, so that equal use compares equal and the order declared decides.
        return round(sum(health.recent_uses(now_s) for health in found if health), 6)

    return sorted(options, key=uses)


def cost_optimized(options: list[Option], turn: Turn) -> list[Option]:
    """Cheapest for this request first; unknown prices last."""
    tokens_in, tokens_out = turn.input_tokens, turn.output_tokens
    return sorted(options, key=lambda option: cost_nanousd(option.group[0], tokens_in, tokens_out))


def cost_nanousd(candidate: Candidate, input_tokens: int, output_tokens: int) -> float:
    """Price times expected tokens; infinite when the price of either direction is unknown."""
    price_in, price_out = candidate.input_nanousd, candidate.output_nanousd
    if price_in is None or (price_out is None and output_tokens):
        return math.inf
    return (price_in * input_tokens + (price_out or 0) * output_tokens) / 1e6


def fill_first(options: list[Option], turn: Turn) -> list[Option]:
    """As declared, but one that has no room now (concurrency, rate, quota) goes behind."""
    free: list[Option] = []
    full: list[Option] = []
    for option in options:
        has_room = any(_has_room(candidate, turn) for candidate in option.group)
        (free if has_room else full).append(option)
    return free + full


def _has_room(candidate: Candidate, turn: Turn) -> bool:
    queue = candidate.resilience.queue
    if queue.max_concurrent <= 0 and queue.requests_per_minute <= 0 and queue.min_gap_s <= 0:
        return True
    connection = turn.live.connections.get(candidate.connection_key)
    return connection is None or connection.queue.has_room(queue, turn.now_s)


def power_of_two(options: list[Option], turn: Turn) -> list[Option]:
    """Two drawn at random, the less loaded one first; the rest by load."""
    if len(options) < 2:
        return options
    draw, size = turn.rng.random, len(options)
    one = int(draw() * size)
    two = (one + 1 + int(draw() * (size - 1))) % size
    loads = [load(option, turn) for option in options]
    first = one if loads[one] <= loads[two] else two
    rest = sorted((at for at in range(size) if at != first), key=loads.__getitem__)
    return [options[first], *(options[at] for at in rest)]


def load(option: Option, turn: Turn) -> float:
    """How long a request would take here, roughly: (in flight + 1) times the usual latency."""
    candidate = option.group[0]
    health = turn.live.models.get(candidate.key)
    connection = turn.live.connections.get(candidate.connection_key)
    latency_s = health.latency_s if health is not None else None
    waiting = connection.queue.in_flight if connection is not None else 0
    return (waiting + 1) * max(latency_s or _UNKNOWN_LATENCY_S, _MIN_LATENCY_S)


def last_known_good(options: list[Option], turn: Turn) -> list[Option]:
    """The one that answered last first, then as declared."""
    good = turn.live.last_good(turn.name)
    if good is None:
        return options
    return sorted(options, key=lambda o: all(candidate.model != good for candidate in o.group))


def context_optimized(options: list[Option], turn: Turn) -> list[Option]:
    """The smallest context window that fits; unknown windows after the known ones."""
    return sorted(options, key=lambda o: math.inf if (w := o.group[0].window) is None else w)


def auto(options: list[Option], turn: Turn) -> list[Option]:
    """Best score first: health, then latency and cost against the best of the options, and quota.

    Each part lies in 0…1 and is 1 where nothing is known, so what is new gets tried.
    """
    if len(options) < 2:
        return options
    find = turn.live.models.get
    tokens_in, tokens_out = turn.input_tokens, turn.output_tokens
    costs = [cost_nanousd(option.group[0], tokens_in, tokens_out) for option in options]
    loads = [load(option, turn) for option in options]
    cheapest, fastest = min(costs), min(loads)
    scores: list[float] = []
    for option, cost, busy in zip(options, costs, loads, strict=True):
        health = find(option.group[0].key)
        known = 0.55 if health is None else 0.4 * health.score + 0.15 * health.quota_left
        scores.append(-known - 0.25 * fastest / busy - 0.2 * _share(cheapest, cost))
    order = sorted(range(len(options)), key=scores.__getitem__)
    return [options[at] for at in order]


def _share(best: float, value: float) -> float:
    """best/value where both are known; an unknown price is neither rewarded nor preferred."""
    if math.isinf(value):
        return 1.0 if math.isinf(best) else 0.0
    return best / value if value > 0 else 1.0


STRATEGIES: Final[Mapping[StrategyName, Strategy]] = {
    "priority": in_order,
    "weighted": weighted,
    "round-robin": round_robin,
    "random": random_order,
    "strict-random": strict_random,
    "least-used": least_used,
    "cost-optimized": cost_optimized,
    "auto": auto,
    "fill-first": fill_first,
    "p2c": power_of_two,
    "lkgp": last_known_good,
    "context-optimized": context_optimized,
    "context-relay": in_order,
}
"""`context-relay` orders like priority: that a session stays where it is, until its target runs
out, is the planner's doing (see `plan`)."""

BALANCES: Final[Mapping[Balance, Strategy]] = {
    "priority": in_order,
    "weighted": weighted,
    "fill-first": fill_first,
    "round-robin": round_robin,
    "p2c": power_of_two,
    "random": random_order,
    "least-used": least_used,
    "cost-optimized": cost_optimized,
}

"""What they get is sorted by `priority` already."""

WANDERING: Final = frozenset(
    {"weighted", "round-robin", "random", "strict-random", "least-used", "p2c", "auto"}
)
"""Strategies under which a session goes from target to target while all of them are well."""

SPREADING: Final = frozenset({"weighted", "round-robin", "p2c", "random", "least-used"})
"""Balances under which a session would wander between connections, were it not held."""
