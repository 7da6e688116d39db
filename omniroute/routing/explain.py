"""A plan in words: for every candidate the way to it, why it stands where it stands, and where."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from omniroute.config.model import Mark, StrategyName
from omniroute.routing.plan import Plan, path_of
from omniroute.routing.strategies import cost_nanousd
from omniroute.routing.values import Branch, Candidate, Child, Leaf


class Explained(Struct, frozen=True, kw_only=True):
    """One candidate of a plan."""

    rank: int
    model: str
    connection: str
    path: tuple[str, ...]
    """From the name asked for to the model."""
    reason: str
    mark: Mark | None


_WORDS: Final[dict[StrategyName, str]] = {
    "round-robin": "its turn",
    "random": "drawn at random",
    "strict-random": "from the shuffled deck",
    "least-used": "fewest requests recently",
    "auto": "best score of health, load, cost and quota",
    "p2c": "less loaded of two drawn at random",
}


def explain(plan: Plan) -> tuple[Explained, ...]:
    """Every candidate in the order to be tried; those that rest after a failure last."""
    ready = len(plan.candidates)
    return tuple(
        Explained(
            rank=rank,
            model=candidate.model,
            connection=candidate.connection.id,
            path=path_of(plan.resolved, candidate),
            reason=_reason(plan, candidate, rank=rank, rests=rank > ready),
            mark=candidate.mark,
        )
        for rank, candidate in enumerate((*plan.candidates, *plan.resting), start=1)
    )


def _reason(plan: Plan, candidate: Candidate, *, rank: int, rests: bool) -> str:
    parts: list[str] = []
    if rank == 1 and plan.held:
        parts.append("the session stays here")
    row = _row_of(plan.resolved.node, candidate)
    if row is None:
        parts.append("asked for by name")
    else:
        parts.append(_by_strategy(plan, candidate, *row))
    connections = len(candidate.provider.connections)
    if connections > 1:
        priority = candidate.connection.priority
        parts.append(f"balance {candidate.provider.balance}, priority {priority}")
    if rests:
        parts.append("failed a moment ago, so last")
    return "; ".join(parts)


def _by_strategy(plan: Plan, candidate: Candidate, branch: Branch, child: Child) -> str:
    strategy = branch.combo.strategy
    match strategy:
        case "weighted":
            total = sum(one.weight for one in branch.children)
            return f"weighted: {child.weight} of {total}"
        case "cost-optimized":
            facts = plan.facts
            nano = cost_nanousd(candidate, facts.input_tokens, facts.output_tokens)
            known = "price unknown" if math.isinf(nano) else f"about {nano / 1e9:.6f} USD"
            return f"cost-optimized: {known}"
        case "context-optimized":
            window = candidate.window
            return f"context-optimized: window {'unknown' if window is None else window}"
        case "priority" | "fill-first" | "lkgp" | "context-relay":
            return f"{strategy}: target {child.index + 1} of {len(branch.children)}"
        case _:
            return f"{strategy}: {_WORDS[strategy]}"


def _row_of(node: Leaf | Branch, candidate: Candidate) -> tuple[Branch, Child] | None:
    """The innermost combo that holds the candidate, and its row there."""
    if isinstance(node, Leaf):
        return None
    for child in node.children:
        if isinstance(child.node, Leaf):
            if any(one is candidate for one in child.node.candidates):
                return node, child
        else:
            found = _row_of(child.node, candidate)
            if found is not None:
                return found
    return None
