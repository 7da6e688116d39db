"""What `echo` says where documents are to be ordered, or a text to be judged: pure functions."""

from __future__ import annotations

from typing import Any, Final, cast

from omniroute.upstream.echo_answer import EchoRefusal, text_tokens

_CATEGORIES: Final = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit"),
    *("illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual"),
    *("sexual/minors", "violence", "violence/graphic"),
)


def answer_order(request: dict[str, Any]) -> dict[str, Any]:
    """The documents by the share of the query's words that they have, in the shape of Jina.

    Raises EchoRefusal for a body without a query or documents.
    """
    query, documents = request.get("query"), request.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise EchoRefusal(400, "a query and documents, please", "documents")
    texts = [_text(one) for one in cast(list[Any], documents)]
    words = set(query.lower().split())
    scores = [len(words & set(text.lower().split())) / (len(words) or 1) for text in texts]
    order = sorted(range(len(texts)), key=lambda at: -scores[at])
    results: list[dict[str, Any]] = [
        {"index": at, "relevance_score": round(scores[at], 4)}
        | ({"document": {"text": texts[at]}} if request.get("return_documents") else {})
        for at in order[: request.get("top_n") or request.get("top_k")]
    ]
    tokens = text_tokens(query) + sum(map(text_tokens, texts))
    return {"model": request["model"], "results": results, "usage": {"total_tokens": tokens}}


def answer_judgement(request: dict[str, Any]) -> dict[str, Any]:
    """What is flagged names a category. Raises EchoRefusal for a body without input."""
    given: Any = request.get("input")
    items: list[Any] = cast(list[Any], given) if isinstance(given, list) else [given]
    if not items or given is None:
        raise EchoRefusal(400, "input is a text, or a list", "input")
    parts: list[Any] = [one for one in items if isinstance(one, dict)]
    texts = [" ".join(map(_text, parts))] if parts else list(map(_text, items))
    return {"id": "modr-echo", "model": request["model"], "results": list(map(_judged, texts))}


def _judged(text: str) -> dict[str, Any]:
    words = set(text.lower().split())
    found = {name: name in words for name in _CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: float(is_in) for name, is_in in found.items()},
        "category_applied_input_types": {name: ["text"] for name in found},
    }


def _text(given: Any) -> str:
    text: Any = cast(dict[str, Any], given).get("text") if isinstance(given, dict) else given
    return text if isinstance(text, str) else ""
