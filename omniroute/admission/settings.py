"""The settings that change every request, as fields of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from omniroute.admission.values import RequestFacts
from omniroute.config.model import SystemPrompt, ThinkingBudget

_EFFORTS: Final = ("minimal", "low", "medium", "high")
_SHORT_TOKENS: Final = 1_000  # a question: half the budget, one effort less
_LONG_TOKENS: Final = 10_000  # a code base or a long talk: twice the budget, one effort more
_MIN_THINKING_TOKENS: Final = 1_024  # below it providers refuse a budget


def prompt_fields(prompt: SystemPrompt) -> Mapping[str, Any]:
    """The global system prompt, the same for every request."""
    if not prompt.enabled or not prompt.text:
        return {}
    return {f"system.{prompt.position}": prompt.text}


def thinking_fields(budget: ThinkingBudget, facts: RequestFacts) -> Mapping[str, Any]:
    """How much a model may think: tokens where a format counts them, effort where it names it.

    `passthrough` leaves what the client said, `auto` removes it so that the provider decides,
    `custom` puts the configured in its place, `adaptive` scales that with the request's length.
    """
    match budget.mode:
        case "passthrough":
            return {}
        case "auto":
            return {"reasoning.tokens": None, "reasoning.effort": None}
        case "custom":
            tokens, effort = budget.tokens, budget.effort
        case "adaptive":
            length = facts.input_tokens_estimate
            step = -1 if length < _SHORT_TOKENS else 1 if length > _LONG_TOKENS else 0
            tokens = max(_MIN_THINKING_TOKENS, int(budget.tokens * 2.0**step))
            effort = _stepped(budget.effort, step)
    return {"reasoning.tokens": tokens, "reasoning.effort": effort}


def _stepped(effort: str, step: int) -> str:
    if effort not in _EFFORTS:
        return effort
    index = _EFFORTS.index(effort) + step
    return _EFFORTS[min(max(index, 0), len(_EFFORTS) - 1)]
