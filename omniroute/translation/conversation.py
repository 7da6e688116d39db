"""Functions for tables that look at several turns or blocks at once: calls, results, their names.

Formats differ in how a result finds its call (by id, by name, by place) and in what a tool may be
called. All are pure; they take and give hub messages and blocks.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from functools import cache
from hashlib import blake2b
from typing import Any, Final

from omniroute.base.bigjson import write_json
from omniroute.translation.shape import is_array, is_object

_FITTED: Final = re.compile(r".+_[0-9a-f]{8}")
_REPEATED: Final = re.compile(r"(call_[0-9a-f]{24})_[0-9]+")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_]")
_NAME_LENGTH: Final = (
    55  # with its digest a fitted name has 64 characters, which every format takes
)
_ID_SHAPE: Final = re.compile(r"\[((?!\])(?:a-z)?(?:A-Z)?(?:0-9)?_?-?)\]\{(?:1,)?([1-9][0-9]?)\}")
_NO_RESULT: Final = "The tool gave no result."


def link_calls(messages: Any) -> Any:
    """Hub messages in which every call has an id and every result names the call it answers.

    An id that is missing is made of what is called (`call_key`). A result without one answers the
    oldest open call of its `name`, else the oldest of all; `name` is gone then.
    """
    if not is_array(messages):
        return messages
    ids = _Ids()
    waiting = _Waiting()
    linked: list[Any] = []
    for message in messages:
        blocks: list[Any] = []
        for original in _blocks(message):
            block = original
            kind = block.get("type")
            if kind == "tool_use":
                block = {**block, "id": ids.of(block)}
                waiting.add(block)
            elif kind == "tool_result":
                block = _linked(block, waiting)
            blocks.append(block)
        linked.append({**message, "blocks": blocks} if is_object(message) else message)
    return linked


class _Ids:
    """The ids of a conversation's calls: their own, else made of what is called."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}
        """How often each id that was made is taken."""

    def of(self, block: dict[str, Any]) -> str:
        own = block.get("id")
        if type(own) is str and own:
            self._taken.add(own)
            return own
        first = call_key(block.get("name"), block.get("input"))
        count = self._counts.get(first, 0) + 1
        while (name := first if count == 1 else f"{first}_{count}") in self._taken:
            count += 1
        self._counts[first] = count
        self._taken.add(name)
        return name


class _Waiting:
    """Calls without a result yet, found in one step: by id, by name, or the oldest of all."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._places: dict[tuple[str, str], deque[int]] = {}
        self._count = 0

    def add(self, call: dict[str, Any]) -> None:
        self._count += 1
        self._open[self._count] = call
        for field in ("id", "name"):
            if type(call.get(field)) is str:
                self._places.setdefault((field, call[field]), deque()).append(self._count)

    def take(self, field: str, value: Any) -> dict[str, Any] | None:
        """The oldest one with that id or name."""
        places = self._places.get((field, value)) if type(value) is str else None
        while places:
            call = self._open.pop(places.popleft(), None)
            if call is not None:
                return call
        return None

    def oldest(self) -> dict[str, Any] | None:
        return self._open.popitem(last=False)[1] if self._open else None


def _linked(block: dict[str, Any], waiting: _Waiting) -> dict[str, Any]:
    name, identity = block.get("name"), block.get("tool_use_id")
    if identity:
        call = waiting.take("id", identity)
    elif name:
        call = waiting.take("name", name)
    else:
        call = waiting.oldest()
    if call is not None:
        identity = call["id"]
    rest = {key: value for key, value in block.items() if key != "name"}
    return {**rest, "tool_use_id": identity or call_key(name, None)}


def call_key(name: Any, arguments: Any) -> str:
    """An id made of what is called and with what, for formats whose calls have none."""
    text = write_json([name, arguments or {}], is_sorted=True)
    return f"call_{blake2b(text, digest_size=12).hexdigest()}"


def first_id(identity: str) -> str:
    """The id of the first call of what a repeated call repeats; any other id as it is."""
    match = _REPEATED.fullmatch(identity)
    return identity if match is None else match[1]


def pair_results(messages: list[Any]) -> tuple[list[Any], bool]:
    """Hub messages in which the turn after calls answers each of them once, in their order.

    Providers refuse histories in which a call has no result, or two. Results get the `name` of what
    was called. A missing result becomes an error that says so; of several for one call the last one
    is kept, and the second value is true. A result that answers no call stays as what it says, and
    what the system says between a call and its result comes behind them.
    """
    paired: list[Any] = []
    calls: list[Any] = []
    between: list[Any] = []
    repeated = False
    for message in messages:
        role, blocks = _role(message), _blocks(message)
        if calls and role == "system":
            between.append(message)
            continue
        results = [block for block in blocks if _type(block) == "tool_result"]
        if calls and role != "user":
            paired.append({"role": "user", "blocks": _answers(calls, [])})
        elif calls or results:
            rest = [block for block in blocks if _type(block) != "tool_result"]
            known = {str(call.get("id")) for call in calls}
            answered = [one for one in results if str(one.get("tool_use_id")) in known]
            repeated |= len({str(one.get("tool_use_id")) for one in answered}) < len(answered)
            blocks = _answers(calls, answered) + _words(results, known) + rest
            message = {**message, "blocks": blocks}  # noqa: PLW2901 - the same one, mended
        paired += [*between, message] if role != "user" else [message, *between]
        between = []
        calls = [block for block in blocks if _type(block) == "tool_use"]
    if calls:
        paired.append({"role": "user", "blocks": _answers(calls, [])})
    return paired + between, repeated


def _answers(calls: list[Any], results: list[Any]) -> list[Any]:
    by_id = {str(result.get("tool_use_id")): result for result in results}
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


def _words(results: list[Any], known: set[str]) -> list[Any]:
    """What results without a call say."""
    words: list[Any] = []
    for result in results:
        if str(result.get("tool_use_id")) not in known and is_array(result.get("content")):
            words += result["content"]
    return words


def fit_calls(messages: list[Any], pattern: Any) -> list[Any]:
    """Hub messages in which the ids of calls, and of their results, are as `fit_id` has it."""
    return [
        {**message, "blocks": [_fitted(block, pattern) for block in _blocks(message)]}
        for message in messages
    ]


def _fitted(block: dict[str, Any], pattern: Any) -> dict[str, Any]:
    name = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(block.get("type")))
    return block if name is None else {**block, name: fit_id(block.get(name), pattern)}


def fit_id(value: Any, pattern: Any) -> Any:
    """An id as a pattern like `[a-z0-9]{9}` allows it; another one becomes one, always the same."""
    shape = _ID_SHAPE.fullmatch(pattern) if type(pattern) is str else None
    if type(value) is not str or shape is None or re.fullmatch(pattern, value):
        return value
    characters, length = _characters(shape[1]), int(shape[2])
    number = int.from_bytes(blake2b(value.encode(errors="replace")).digest())
    made: list[str] = []
    for _ in range(length):
        number, rest = divmod(number, len(characters))
        made.append(characters[rest])
    return "".join(made)


@cache
def _characters(range_: str) -> str:
    """Those of a pattern's brackets; there are few patterns."""
    return "".join(filter(re.compile(f"[{range_}]").fullmatch, map(chr, range(33, 127))))


def join_blocks(blocks: Any, *kinds: Any) -> Any:
    """Blocks in which neighbours of each kind are one: a signature ends what it signs."""
    if not is_array(blocks) or len(blocks) < 2:
        return blocks
    joined: list[Any] = []
    texts: list[str] = []  # of the block that is being joined, a copy; empty where there is none
    for block in blocks:
        last: Any = joined[-1] if joined else None
        kind = _type(block)
        if kind not in kinds or _type(last) != kind or "signature" in last:
            _close(joined, texts)
            joined.append(block)
            continue
        if not texts:
            last = joined[-1] = dict(last)
            texts.append(str(last.get("text") or ""))
        last.update(block)
        texts.append(str(block.get("text") or ""))
    _close(joined, texts)
    return joined


def _close(joined: list[Any], texts: list[str]) -> None:
    """The last block says all of the texts."""
    if texts:
        joined[-1]["text"] = "".join(texts)
        texts.clear()


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
