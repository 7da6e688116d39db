"""The system prompt and the budget for thinking: what is in force, and changing it in the file."""

from __future__ import annotations

from omniroute.config.model import SystemPrompt, ThinkingBudget
from omniroute.management.derived import changes, in_file, show, shown
from omniroute.management.writeback import Author, change_section
from omniroute.worker.runtime import Runtime


class SystemPromptReport(shown(SystemPrompt, names={"text": "prompt"}), frozen=True):
    """What is put to every request's own system prompt."""


class SystemPromptChange(changes(SystemPromptReport), frozen=True):
    """What is left out stays."""


class ThinkingBudgetReport(
    shown(ThinkingBudget, names={"tokens": "customBudget", "effort": "effortLevel"}), frozen=True
):
    """How much models may think."""


class ThinkingBudgetChange(changes(ThinkingBudgetReport), frozen=True):
    """What is left out stays."""


def system_prompt(runtime: Runtime) -> SystemPromptReport:
    return show(SystemPromptReport, runtime.snapshot.config.settings.system_prompt)


async def change_system_prompt(
    runtime: Runtime, wanted: SystemPromptChange, *, author: Author
) -> SystemPromptReport:
    """Raises RequestError as `change_section`."""
    values = {"system_prompt": in_file(wanted, whole=False)}
    await change_section(runtime, "settings", values, author=author)
    return system_prompt(runtime)


def thinking_budget(runtime: Runtime) -> ThinkingBudgetReport:
    return show(ThinkingBudgetReport, runtime.snapshot.config.settings.thinking_budget)


async def change_thinking_budget(
    runtime: Runtime, wanted: ThinkingBudgetChange, *, author: Author
) -> ThinkingBudgetReport:
    """Raises RequestError as `change_section`."""
    values = {"thinking_budget": in_file(wanted, whole=False)}
    await change_section(runtime, "settings", values, author=author)
    return thinking_budget(runtime)
