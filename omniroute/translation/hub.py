"""The hub in the hands of the engine: fields that policies set, memory of signatures, usage.

What a hub request, response and event look like is described by `schemas/hub.schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from omniroute.errors import TranslationError
from omniroute.translation.conversation import call_key, first_id
from omniroute.translation.shape import is_array, is_object
from omniroute.translation.values import Usage

SHORT_NAMES: Final[Mapping[str, str]] = {
    "max_tokens": "output.max_tokens",
    "max_output_tokens": "output.max_tokens",
    "max_completion_tokens": "output.max_tokens",
    "stop": "output.stop",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "top_k": "sampling.top_k",
    "seed": "sampling.seed",
    "system_prompt": "system.replace",
    "reasoning_effort": "reasoning.effort",
}
"""Names that people use in policies, and the hub fields that they mean."""

_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "sampling": ("top_k", "seed", "n", "top_logprobs"),
    "output": ("max_tokens",),
    "reasoning": ("tokens",),
}
"""Where the hub holds whole numbers."""
_TEXT_PLACES: Final = frozenset({"system.prepend", "system.append", "system.replace"})


MAX_COUNT: Final = 1 << 53  # no answer has more tokens; sums stay writable as JSON
_UNKNOWN: Final = Usage()
_LATEST_S: Final = 1e11  # some thousand years ahead: not a time in seconds any more


def hub_field(name: str) -> str:
    """The dotted hub path that a policy's field name means."""
    return SHORT_NAMES.get(name, name)


def bound_output(hub: Mapping[str, Any], limit: int | None) -> None:
    """Lower `output.max_tokens` to what the model can write: providers refuse a higher one, and
    clients ask for what the model can whose name they use."""
    output = hub.get("output")
    if limit is None or not is_object(output):
        return
    wanted = output.get("max_tokens")
    if type(wanted) is int and wanted > limit:
        output["max_tokens"] = limit


def whole_numbers(hub: Mapping[str, Any]) -> None:
    """Write whole numbers as such: `40.0` is one to some clients, and refused by most servers."""
    for group, names in _WHOLE.items():
        fields = hub.get(group)
        if is_object(fields):
            for name in names:
                value = fields.get(name)
                if type(value) is float and value.is_integer():
                    fields[name] = int(value)


def set_field(hub: dict[str, Any], field: str, value: Any) -> None:
    """Set a dotted field of a hub request; null removes it.

    `system.prepend`, `system.append` and `system.replace` take text.
    """
    if field in _TEXT_PLACES:
        system = _list(hub.get("system"))
        block: list[Any] = [{"type": "text", "text": value}] if value else []
        if field == "system.prepend":
            hub["system"] = block + system
        elif field == "system.append":
            hub["system"] = system + block
        else:
            hub["system"] = block
            hub["messages"] = [m for m in _list(hub.get("messages")) if _get(m, "role") != "system"]
        return
    *parents, last = field.split(".")
    place = hub
    for name in parents:
        below = place.get(name)
        # A copy, since the decoded hub may share objects with the client's body.
        place[name] = fresh = dict(below) if is_object(below) else {}
        place = fresh
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value


def present(hub: Any, field: str) -> bool:
    """A dotted field has a value other than null, false and nothing."""
    for name in field.split("."):
        if not is_object(hub):
            return False
        hub = hub.get(name)
    return not (hub is None or hub is False or hub in ("", [], {}))


def usage_of(hub_usage: Any, before: Usage = _UNKNOWN, *, tier: Any = None) -> Usage:
    """A hub usage object as a value; what it does not say stays as it was before.

    `tier` is what the answer says of its service tier, where its usage says nothing.
    """
    if not is_object(hub_usage):
        return before
    said = hub_usage

    def count(name: str, old: int | None) -> int | None:
        value = said.get(name)
        if type(value) is float and value.is_integer():
            value = int(value)
        return value if type(value) is int and 0 <= value < MAX_COUNT else old

    tier = said.get("service_tier") or tier
    return Usage(
        input_uncached=count("input_uncached", before.input_uncached),
        cache_read=count("cache_read", before.cache_read),
        cache_write=count("cache_write", before.cache_write),
        output=count("output", before.output),
        reasoning=count("reasoning", before.reasoning),
        units=count("units", before.units) if "units" in said else before.units,
        service_tier=tier if type(tier) is str else before.service_tier,
    )


def usage_object(usage: Usage) -> dict[str, int]:
    """The counts of a hub usage object, without what is unknown."""
    found = {
        "input_uncached": usage.input_uncached,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "units": usage.units,
    }
    return {name: value for name, value in found.items() if value is not None}


def begun_of(begun: Mapping[str, Any]) -> dict[str, Any]:
    """What an upstream says of an answer that begins, without an id, name or time that is none.

    Those are written into every frame, so a wrong one would spoil more than its own frame.
    """
    kept = dict(begun)
    for name in ("id", "model"):
        if not kept.get(name) or type(kept[name]) is not str:
            kept.pop(name, None)
    created: Any = kept.get("created")
    if type(created) not in (int, float) or not 0 < created < _LATEST_S:
        kept.pop("created", None)
    return kept


def settle_stop(stop: Any, blocks: list[Any]) -> str | None:
    """The stop reason, told from the blocks where a format has no word for a tool call."""
    if stop in (None, "end_turn"):
        kinds = {_get(block, "type") for block in blocks}
        stop = "tool_use" if "tool_use" in kinds else "refusal" if "refusal" in kinds else stop
    elif stop == "tool_use" and not any(_get(block, "type") == "tool_use" for block in blocks):
        # The call was an answer in disguise.
        stop = "end_turn"
    return stop if type(stop) is str else None


def remember(
    response: Mapping[str, Any], format_name: str, forgets: frozenset[str]
) -> dict[str, Any]:
    """What a later turn must bring back, by tool-call id: signed thinking and call signatures.

    `forgets` says what the client's format has no place for: `signatures` of any kind or
    `call_signatures` alone; with `ids` none for the ids of calls either, so that `call_key` names
    them.
    """
    if not forgets:
        return {}
    blocks = [block for block in _list(response.get("blocks")) if is_object(block)]
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    all_of_them = "signatures" in forgets
    signed = [block for block in blocks if all_of_them and _is_signed(block)]
    kept: dict[str, Any] = {}
    for call in calls:
        name = call.get("id")
        if "ids" in forgets:
            name = call_key(call.get("name"), call.get("input"))
        if type(name) is str and (signed or call.get("signature") is not None):
            kept[name] = {
                "format": format_name,
                "blocks": signed,
                "signature": call.get("signature"),
            }
    return kept


def recall(hub: dict[str, Any], recalled: Mapping[str, Any], format_name: str) -> None:
    """Put what was remembered of this format's answers back into the history."""
    own = {
        name: kept
        for name, kept in recalled.items()
        if is_object(kept) and kept.get("format") == format_name
    }
    messages = _list(hub.get("messages"))
    restored: list[Any] = []
    for message in messages:
        blocks = _list(_get(message, "blocks"))
        known = any(_call_id(block) in own for block in blocks)
        restored.append({**message, "blocks": _restored(blocks, own)} if known else message)
    if messages:
        hub["messages"] = restored


def _restored(blocks: list[Any], recalled: Mapping[str, Any]) -> list[Any]:
    signed: list[Any] = []
    rest: list[Any] = []
    for original in blocks:
        block = original
        kept = recalled.get(_call_id(block))
        if is_object(kept):
            signed = signed or _list(kept.get("blocks"))
            if kept.get("signature") is not None and block.get("signature") is None:
                block = {**block, "signature": kept["signature"]}
        rest.append(block)
    if any(_is_signed(block) for block in blocks):
        return rest
    # The unsigned text of the same thinking would stand beside the original.
    return signed + [b for b in rest if not (signed and _get(b, "type") == "thinking")]


def _call_id(block: Any) -> str:
    return first_id(str(_get(block, "id"))) if _get(block, "type") == "tool_use" else ""


def _is_signed(block: Any) -> bool:
    kind = _get(block, "type")
    return kind == "redacted_thinking" or (
        kind == "thinking" and _get(block, "signature") is not None
    )


def _get(value: Any, key: str) -> Any:
    return value.get(key) if is_object(value) else None


def _list(value: Any) -> list[Any]:
    return value if is_array(value) else []


def need_object(value: Any, what: str) -> dict[str, Any]:
    if not is_object(value):
        raise TranslationError(f"{what} must be an object")
    return value
