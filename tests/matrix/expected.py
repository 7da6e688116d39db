"""What an application must be told for a scenario, whichever formats lie between.

The one place that knows which format lacks what; everything that no format on the way lacks must
arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.sdk.told import CLOCK, WEATHER, Called, Counted, Told
from tests.upstreams.scenario import (
    SCENARIOS,
    STOP_SEQUENCE,
    Call,
    Refused,
    Scenario,
    Text,
    Thinking,
)
from tests.upstreams.seen import canonical

GIVES_NO_THOUGHTS: Final = frozenset({"openai-chat"})
"""Providers whose answers only count them."""
COUNTS_NO_DETAILS: Final = frozenset({"ollama"})
"""No cached and no reasoning tokens."""
NO_REFUSALS: Final = frozenset({"ollama"})
"""A refusal is words like any."""
STOPS: Final[Mapping[str, Mapping[str, str]]] = {
    "openai-chat": {
        "end": "stop",
        "length": "length",
        "tool": "tool_calls",
        "refusal": "content_filter",
    },
    "openai-responses": {
        "end": "completed",
        "length": "max_output_tokens",
        "tool": "completed",
        "refusal": "completed",
    },
    "anthropic": {
        "end": "end_turn",
        "length": "max_tokens",
        "tool": "tool_use",
        "refusal": "refusal",
    },
    "gemini": {"end": "STOP", "length": "MAX_TOKENS", "tool": "STOP", "refusal": "SAFETY"},
    "ollama": {"end": "stop", "length": "length", "tool": "stop", "refusal": "stop"},
}
"""In the words of the client's format; a stop sequence is a plain end but within Anthropic."""
REFUSES_BY_REASON: Final = frozenset({"anthropic", "gemini"})
"""Providers whose refusals are a reason to stop, where others have words of their own."""
_OWN_REFUSALS: Final = {"openai-chat": "stop", "gemini": "PROHIBITED_CONTENT"}
"""What these providers say of a refusal, and what stays as it is within one format."""


def expected(client: str, upstream: str, model: str) -> Told:
    """The answer to compare with `comparable`."""
    scenario = SCENARIOS[model]
    tools = (WEATHER, CLOCK)
    hidden = upstream in GIVES_NO_THOUGHTS
    return Told(
        text=_words(upstream, scenario),
        thinking="" if hidden else "".join(
            block.whole for block in scenario.blocks if isinstance(block, Thinking)
        ),
        calls=tuple(
            Called("", tools[block.tool].name, canonical(dict(block.arguments)))
            for block in scenario.blocks
            if isinstance(block, Call)
        ),
        stop=_stop(client, upstream, scenario),
        usage=_usage(client, upstream, scenario),
    )  # fmt: skip


def comparable(told: Told) -> Told:
    """Without ids, and a refusal's words where other formats have them: in the text."""
    calls = tuple(Called("", call.name, call.arguments) for call in told.calls)
    return Told(
        text=told.text + told.refusal,
        thinking=told.thinking,
        calls=calls,
        stop=told.stop,
        usage=told.usage,
    )


def _words(upstream: str, scenario: Scenario) -> str:
    said = "".join(block.whole for block in scenario.blocks if isinstance(block, (Text, Refused)))
    return "" if scenario.stop == "refusal" and upstream == "gemini" else said


def _stop(client: str, upstream: str, scenario: Scenario) -> str:
    words = STOPS[client]
    if scenario.stop == "stop_sequence" and client == upstream == "anthropic":
        return f"stop_sequence:{STOP_SEQUENCE}"
    if scenario.stop == "refusal" and client == upstream:
        return _OWN_REFUSALS.get(client, words["refusal"])
    if scenario.stop == "refusal" and upstream in NO_REFUSALS:
        return words["end"]
    if scenario.stop == "refusal" and client == "openai-responses":
        return "content_filter" if upstream in REFUSES_BY_REASON else words["end"]
    return words.get(scenario.stop, words["end"])


def _usage(client: str, upstream: str, scenario: Scenario) -> Counted:
    usage = scenario.usage
    bare = not COUNTS_NO_DETAILS.isdisjoint((client, upstream))
    return Counted(
        input=usage.input,
        cached=0 if bare else usage.cached,
        output=usage.output,
        reasoning=0 if bare else usage.reasoning,
    )
