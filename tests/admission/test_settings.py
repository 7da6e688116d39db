"""Global settings as hub fields."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from omniroute.admission.settings import prompt_fields, thinking_fields
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
    named = ThinkingBudget(mode="adaptive", effort="xhigh")
    assert thinking_fields(named, facts())["reasoning.effort"] == "xhigh"
