"""Global settings as hub fields."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from omniroute.admission.settings import fields_for_model, prompt_fields, thinking_fields
from omniroute.config.model import SystemPrompt, ThinkingBudget
from tests.admission.cases import facts


@pytest.mark.parametrize("position", ["prepend", "append", "replace"])
def test_the_system_prompt(position: Literal["prepend", "append", "replace"]) -> None:
    prompt = SystemPrompt(enabled=True, text="Be brief.", position=position)
    assert prompt_fields(prompt) == {f"system.{position}": "Be brief."}


def test_no_system_prompt() -> None:
    assert prompt_fields(SystemPrompt(text="Be brief.")) == {}
    assert prompt_fields(SystemPrompt(enabled=True)) == {}


@pytest.mark.parametrize(
    ("mode", "length", "expected"),
    [
        ("passthrough", 0, {}),
        ("auto", 0, {"reasoning.tokens": None, "reasoning.effort": None}),
        ("custom", 99_999, {"reasoning.tokens": 8192, "reasoning.effort": "medium"}),
        ("adaptive", 100, {"reasoning.tokens": 4096, "reasoning.effort": "low"}),
        ("adaptive", 5_000, {"reasoning.tokens": 8192, "reasoning.effort": "medium"}),
        ("adaptive", 50_000, {"reasoning.tokens": 16384, "reasoning.effort": "high"}),
    ],
)
def test_thinking(mode: Any, length: int, expected: dict[str, Any]) -> None:
    budget = ThinkingBudget(mode=mode)
    assert thinking_fields(budget, facts(input_tokens_estimate=length)) == expected


def test_thinking_stays_within_what_providers_take() -> None:
    small = ThinkingBudget(mode="adaptive", tokens=1500, effort="minimal")
    expected = {"reasoning.tokens": 1024, "reasoning.effort": "minimal"}
    assert thinking_fields(small, facts()) == expected


@pytest.mark.parametrize(
    ("capabilities", "kept"),
    [
        pytest.param(None, {"reasoning.effort", "reasoning_effort", "system.append"}, id="unknown"),
        pytest.param(
            {"tools", "reasoning"},
            {"reasoning.effort", "reasoning_effort", "system.append"},
            id="reasons",
        ),
        pytest.param({"tools"}, {"system.append"}, id="does not reason"),
    ],
)
def test_only_models_that_reason_are_told_how_much(
    capabilities: set[str] | None, kept: set[str]
) -> None:
    fields = {"reasoning.effort": "low", "reasoning_effort": "low", "system.append": "Be brief."}
    known = None if capabilities is None else frozenset(capabilities)
    assert set(fields_for_model(fields, known)) == kept


def test_what_a_client_said_is_removed_for_any_model() -> None:
    removed = {"reasoning.tokens": None}
    assert fields_for_model(removed, frozenset()) == removed
