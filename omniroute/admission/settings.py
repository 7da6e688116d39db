"""The settings that change every request, as fields of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from omniroute.admission.values import RequestFacts
from omniroute.config.model import SystemPrompt, ThinkingBudget
from omniroute.translation.hub import hub_field

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
            return {"reasoning.effort": None, "reasoning.tokens": None}
        case "custom":
            tokens, effort = budget.tokens, budget.effort
        case "adaptive":
            length = facts.input_tokens_estimate
            step = -1 if length < _SHORT_TOKENS else 1 if length > _LONG_TOKENS else 0
            tokens = max(_MIN_THINKING_TOKENS, int(budget.tokens * 2.0**step))
            effort = _stepped(budget.effort, step)
    # In this order, as a format that counts tokens puts them over what it makes of the effort.
    return {"reasoning.effort": effort, "reasoning.tokens": tokens}


def fields_for_model(
    fields: Mapping[str, Any], capabilities: frozenset[str] | None
) -> Mapping[str, Any]:
    """What may be set for a model: nothing about reasoning when it is known not to reason.

    Of a model that nothing is known of nothing is assumed missing, so it gets what is configured.
    """
    if capabilities is None or "reasoning" in capabilities:
        return fields
    return {
        name: value
        for name, value in fields.items()
        if value is None or not hub_field(name).startswith("reasoning.")
    }


def _stepped(effort: str, step: int) -> str:
    index = _EFFORTS.index(effort) + step
    return _EFFORTS[min(max(index, 0), len(_EFFORTS) - 1)]
