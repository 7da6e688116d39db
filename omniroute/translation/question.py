"""What a request asks, apart from everything around it: for the search of kept answers by meaning.

The text of the user's last turn may differ a little between two questions with the same answer.
All else must be equal, so it goes into the frame twice: as the hub reads it, which keeps apart who
said what, and as the client wrote it with that text taken out, which keeps what the hub does not
know. Only text is ever taken out: pictures and results of tools stay in the frame.
"""

from __future__ import annotations

from typing import Any, Final

from omniroute.translation.format import Format
from omniroute.translation.pair import run_object
from omniroute.translation.shape import is_array, is_object
from omniroute.translation.values import Question

DELIVERY: Final = frozenset({"stream", "stream_options"})  # how an answer comes, not what it is


def question(format: Format, body: dict[str, Any]) -> Question | None:
    """See `ClientFormat.question`."""
    try:
        return _question(format, body)
    except RecursionError:
        return None


def _question(format: Format, body: dict[str, Any]) -> Question | None:
    conversation = format.conversation
    if conversation is None:
        return None
    hub = run_object(format.functions["request.said"], body, {"dropped": {}, "request": body})
    messages = hub.get("messages")
    if not is_array(messages) or not messages:
        return None
    *earlier, last = messages
    if not is_object(last) or last.get("role") != "user" or not is_array(last.get("blocks")):
        return None
    blocks = last["blocks"]
    texts = [text for block in blocks if (text := _text(block))]
    if not texts:
        return None
    blanked: list[Any] = [{**block, "text": None} if _text(block) else block for block in blocks]
    spoken: dict[str, Any] = {**hub, "messages": [*earlier, {**last, "blocks": blanked}]}
    taken = frozenset(texts)
    written = {name: _without(body[name], taken) for name in conversation if name in body}
    rest = {
        name: value
        for name, value in body.items()
        if name not in conversation and name not in DELIVERY
    }
    return Question(text="\n".join(texts), frame=(spoken, written, rest))


def _text(block: Any) -> str | None:
    """The text of a text block, None for any other block."""
    if not is_object(block) or block.get("type") != "text":
        return None
    text = block.get("text")
    return text if type(text) is str and text.strip() else None


def _without(value: Any, taken: frozenset[str]) -> Any:
    """`value` with null in the place of each text that is `taken`."""
    if is_object(value):
        return {name: _without(inner, taken) for name, inner in value.items()}
    if is_array(value):
        return [_without(inner, taken) for inner in value]
    return None if type(value) is str and value in taken else value
