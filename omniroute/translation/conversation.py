"""Functions for tables that look at several turns or blocks at once: calls, results, their names.

Formats differ in how a result finds its call (by id, by name, by place) and in what a tool may be
called. All are pure; they take and give hub messages and blocks.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any, Final

import orjson

from omniroute.translation.shape import is_array, is_object

_FITTED: Final = re.compile(r".+_[0-9a-f]{8}")
_REPEATED: Final = re.compile(r"(call_[0-9a-f]{24})_[0-9]+")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]")
_NAME_LENGTH: Final = (
    55  # with its digest a fitted name has 64 characters, which every format takes
)
_NO_RESULT: Final = "The tool gave no result."


def link_calls(messages: Any) -> Any:
    """Hub messages in which every call has an id and every result names the call it answers.

    An id that is missing is made of what is called (`call_key`). A result without one answers the
    oldest open call of its `name`, else the oldest of all; `name` is gone then.
    """
    if not is_array(messages):
        return messages
    taken: set[str] = set()
    waiting: list[dict[str, Any]] = []
    linked: list[Any] = []
    for message in messages:
        blocks: list[Any] = []
        for original in _blocks(message):
            block = original
            kind = block.get("type")
            if kind == "tool_use":
                block = {**block, "id": _call_id(block, taken)}
                waiting.append(block)
            elif kind == "tool_result":
                block = _linked(block, waiting)
            blocks.append(block)
        linked.append({**message, "blocks": blocks} if is_object(message) else message)
    return linked


def _call_id(block: dict[str, Any], taken: set[str]) -> str:
    own = block.get("id")
    if type(own) is str and own:
        taken.add(own)
        return own
    first = name = call_key(block.get("name"), block.get("input"))
    count = 1
    while name in taken:
        count += 1
        name = f"{first}_{count}"
    taken.add(name)
    return name


def _linked(block: dict[str, Any], waiting: list[dict[str, Any]]) -> dict[str, Any]:
    name, identity = block.get("name"), block.get("tool_use_id")
    call = next((one for one in waiting if identity and one["id"] == identity), None)
    if call is None and not identity:
        call = next((one for one in waiting if name and one.get("name") == name), None)
        if call is None and waiting and not name:
            call = waiting[0]
    if call is not None:
        waiting.remove(call)
        identity = call["id"]
    rest = {key: value for key, value in block.items() if key != "name"}
    return {**rest, "tool_use_id": identity or call_key(name, None)}


def call_key(name: Any, arguments: Any) -> str:
    """An id made of what is called and with what, for formats whose calls have none."""
    text = orjson.dumps([name, arguments or {}], option=orjson.OPT_SORT_KEYS)
    return f"call_{blake2b(text, digest_size=12).hexdigest()}"


def first_id(identity: str) -> str:
    """The id of the first call of what a repeated call repeats; any other id as it is."""
    match = _REPEATED.fullmatch(identity)
    return identity if match is None else match[1]


def pair_results(messages: Any) -> Any:
    """Hub messages in which the turn after calls answers each of them once, in their order.

    Results have the `name` of what was called. A missing result becomes an error that says so. A
    result that answers no call stays as what it says.
    """
    if not is_array(messages):
        return messages
    paired: list[Any] = []
    calls: list[Any] = []
    for message in messages:
        blocks = _blocks(message)
        if calls and _role(message) != "user":
            paired.append({"role": "user", "blocks": _answers(calls, [])})
        results = [block for block in blocks if _type(block) == "tool_result"]
        if _role(message) == "user" and (calls or results):
            rest = [block for block in blocks if _type(block) != "tool_result"]
            blocks = _answers(calls, results) + _words(calls, results) + rest
        paired.append({**message, "blocks": blocks} if is_object(message) else message)
        calls = [block for block in blocks if _type(block) == "tool_use"]
    if calls:
        paired.append({"role": "user", "blocks": _answers(calls, [])})
    return paired


def _answers(calls: list[Any], results: list[Any]) -> list[Any]:
    by_id = {str(result.get("tool_use_id")): result for result in reversed(results)}
    answers: list[Any] = []
    for call in calls:
        result = by_id.get(str(call.get("id"))) or {
            "type": "tool_result",
            "tool_use_id": call.get("id"),
            "content": [{"type": "text", "text": _NO_RESULT}],
            "is_error": True,
        }
        answers.append({**result, "name": call.get("name")})
    return answers


def _words(calls: list[Any], results: list[Any]) -> list[Any]:
    """What results without a call say; of several for one call, all but the first."""
    open_ids = [call.get("id") for call in calls]
    words: list[Any] = []
    for result in results:
        identity = result.get("tool_use_id")
        if identity in open_ids:
            open_ids.remove(identity)
        elif is_array(result.get("content")):
            words += result["content"]
    return words


def join_blocks(blocks: Any, *kinds: Any) -> Any:
    """Blocks in which neighbours of each kind are one: a signature ends what it signs."""
    if not is_array(blocks) or len(blocks) < 2:
        return blocks
    joined: list[Any] = []
    for block in blocks:
        last: Any = joined[-1] if joined else None
        kind = _type(block)
        if kind in kinds and _type(last) == kind and "signature" not in last:
            text = f"{last.get('text') or ''}{block.get('text') or ''}"
            joined[-1] = {**last, **block, "text": text}
        else:
            joined.append(block)
    return joined


def fit_name(name: Any, pattern: Any) -> Any:
    """A tool's name as a pattern allows it; one that does not fit becomes one, always the same."""
    if type(name) is not str or type(pattern) is not str or re.fullmatch(pattern, name):
        return name
    digest = blake2b(name.encode(errors="replace"), digest_size=4).hexdigest()
    plain = _FOREIGN.sub("_", name)[:_NAME_LENGTH]
    # The digest tells names apart that look alike now, and marks what was changed.
    return f"{plain}_{digest}" if plain[:1].isalpha() else f"_{plain[: _NAME_LENGTH - 1]}_{digest}"


def is_fitted(name: Any) -> bool:
    """Whether a name may be one that `fit_name` made; cheap, to be asked before `own_name`."""
    return type(name) is str and _FITTED.fullmatch(name) is not None


def own_name(name: Any, tools: Any, pattern: Any) -> Any:
    """The name in the client's own tools that became `name` by `fit_name`."""
    for tool in tools if is_array(tools) else ():
        own = tool.get("name") if is_object(tool) else None
        if fit_name(own, pattern) == name:
            return own
    return name


def _blocks(message: Any) -> list[dict[str, Any]]:
    blocks = message.get("blocks") if is_object(message) else None
    return [block for block in blocks if is_object(block)] if is_array(blocks) else []


def _type(block: Any) -> Any:
    return block.get("type") if is_object(block) else None


def _role(message: Any) -> Any:
    return message.get("role") if is_object(message) else None
