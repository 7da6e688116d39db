"""The settings that change requests, and the names under which policies set fields of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from omniroute.config.model import Settings

CACHE_FIELD: Final = "cache"
"""A `set` of this name is no field of the hub: it opts an answer in to or out of the cache."""

HUB_FIELDS: Final[Mapping[str, str]] = {
    "system_prompt": "system",
    "max_tokens": "output.max_tokens",
    "stop": "output.stop",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "top_k": "sampling.top_k",
    "seed": "sampling.seed",
    "thinking_tokens": "reasoning.tokens",
    "reasoning_effort": "reasoning.effort",
}
"""Short names for what teams set most; any other dotted name is the hub's own."""


def hub_field(name: str) -> str:
    return HUB_FIELDS.get(name, name)


def settings_fields(settings: Settings) -> Mapping[str, Any]:
    """What the settings set in every request; policies come after them and win."""
    fields = dict[str, Any]()
    prompt = settings.system_prompt
    if prompt.enabled and prompt.text:
        name = "system" if prompt.position == "replace" else f"system.{prompt.position}"
        fields[name] = prompt.text
    thinking = settings.thinking_budget
    match thinking.mode:
        case "passthrough":
            pass
        case "auto":
            fields["reasoning.effort"] = thinking.effort
        case "custom":
            fields["reasoning.tokens"] = thinking.tokens
        case "adaptive":
            fields["reasoning.effort"] = "auto"
    return fields
