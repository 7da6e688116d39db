"""Fake providers that order documents: each takes what its reference documents, and nothing else.

https://docs.cohere.com/reference/rerank https://docs.voyageai.com/reference/reranker-api
https://api.jina.ai/redoc
"""

from __future__ import annotations

from typing import Any

from tests.chat import answer
from tests.scripted import Recorded, Script

KEY = "Bearer lab-credential"


def _read(asked: Recorded, path: str, *known: str) -> dict[str, Any] | None:
    body: dict[str, Any] = asked.json()
    good = (
        (asked.method, asked.target) == ("POST", path)
        and asked.headers.get("authorization") == KEY
        and body.keys() <= {"model", "query", "documents", *known}
        and isinstance(body["query"], str)
        and all(isinstance(one, str) for one in body["documents"])
    )
    return body if good else None


def _order(body: dict[str, Any], most: str) -> list[dict[str, Any]]:
    """Longest first."""
    documents: list[str] = body["documents"]
    places = sorted(range(len(documents)), key=lambda at: -len(documents[at]))
    return [
        {"index": at, "relevance_score": len(documents[at]) / 100}
        for at in places[: body.get(most)]
    ]


def cohere(asked: Recorded) -> Script:
    body = _read(asked, "/v2/rerank", "top_n", "max_tokens_per_doc", "priority")
    if body is None:
        return [answer(400, {"message": "invalid request"})]
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return [answer(200, {"id": "r", "results": _order(body, "top_n"), "meta": meta})]


def voyage(asked: Recorded) -> Script:
    body = _read(asked, "/v1/rerank", "top_k", "truncation", "return_documents")
    if body is None:
        return [answer(400, {"detail": "Argument is not supported"})]
    found = {"object": "list", "data": _order(body, "top_k"), "model": body["model"]}
    return [answer(200, {**found, "usage": {"total_tokens": 20}})]


def jina(asked: Recorded) -> Script:
    body = _read(asked, "/v1/rerank", "top_n", "return_documents", "truncation")
    if body is None:
        return [answer(422, {"detail": [{"loc": ["body"], "msg": "extra field"}]})]
    found = {"model": body["model"], "results": _order(body, "top_n"), "object": "list"}
    return [answer(200, {**found, "usage": {"total_tokens": 20}})]
