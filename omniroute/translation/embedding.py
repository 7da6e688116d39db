"""Vectors: what is special about requests for them, beside what the tables say.

The hub of such a request is `model`, `inputs` [{`text`} or {`tokens`}], `dimensions`, `task`,
`title`, `truncate`, `metadata` {`user`}; of its answer `model`, `vectors` and `usage`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from omniroute.errors import TranslationError, UpstreamCutError
from omniroute.translation import hub
from omniroute.translation.format import Format
from omniroute.translation.naming import path_with
from omniroute.translation.pair import fixed_headers, render, run_object
from omniroute.translation.runtime import Context
from omniroute.translation.shape import is_array
from omniroute.translation.tasks import TaskPair, decoded, encoded, object_in, path_of
from omniroute.translation.values import Destination, Embedded, Outbound, Usage


class EmbeddingPair(TaskPair):
    """Splits what is more than a provider takes at once, and joins the vectors in order."""

    def _parts(
        self, sent: dict[str, Any], asked: dict[str, Any], target: Destination
    ) -> list[dict[str, Any]]:
        batch, most = self._task.batch, target.max_inputs or self._task.most
        inputs = sent.get(batch) if batch is not None else None
        if most is None or not is_array(inputs) or len(inputs) <= most or _is_tokens(inputs):
            return [sent]
        starts = range(0, len(inputs), most)
        return [{**sent, str(batch): inputs[at : at + most]} for at in starts]

    def _given(self, answers: Iterable[dict[str, Any]], ctx: Context) -> list[Any]:
        vectors = [vector for answer in answers for vector in _vectors(answer)]
        decode = self._client.functions["embedding.request.decode"]
        inputs = run_object(decode, ctx["request"], {**ctx, "dropped": {}}).get("inputs") or ()
        if len(vectors) != len(inputs):
            raise UpstreamCutError(
                f"the upstream's answer holds {len(vectors)} vectors for {len(inputs)} inputs"
            )
        return vectors

    def _usage(self, answer: dict[str, Any]) -> Usage:
        return _usage(answer)


class TableEmbedder:
    """See `omniroute.translation.values.Embedder`; for formats whose providers make vectors."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self._headers = fixed_headers(format)

    def request(self, text: str, model: str) -> Outbound:
        ctx: Context = {"dropped": {}, "model": model}
        asked = {"model": model, "inputs": [{"text": text}]}
        body = encoded(self._format, "embedding", asked, ctx)
        return Outbound(
            path=path_with(path_of(self._format.tasks["embedding"], body), model),
            headers=self._headers,
            body=render(body),
        )

    def reply(self, body: bytes) -> Embedded:
        answer = object_in(body)
        try:
            found = decoded(self._format, "embedding", answer, {"dropped": {}})
        except TranslationError as error:
            raise UpstreamCutError("the embedding model's answer cannot be read") from error
        vector = next(iter(_vectors(found)), None)
        if vector is None or not any(vector):
            raise UpstreamCutError("the embedding model's answer holds no vector")
        return Embedded(vector=tuple(map(float, vector)), usage=_usage(found))


def _is_tokens(inputs: list[Any]) -> bool:
    """A list of numbers is one input, in tokens."""
    return type(inputs[0]) in (int, float)


def _vectors(answer: dict[str, Any]) -> list[list[float]]:
    """Raises UpstreamCutError for what is not made of numbers alone."""
    vectors = answer.get("vectors")
    if not is_array(vectors):
        raise UpstreamCutError("the upstream's answer holds no vectors")
    for vector in vectors:
        try:
            array("d", vector)
        except (TypeError, ValueError) as error:
            raise UpstreamCutError("the upstream's answer holds a vector of no numbers") from error
    return vectors


def _usage(answer: dict[str, Any]) -> Usage:
    """Vectors are no tokens: of those there are none in the answer."""
    return replace(hub.usage_of(answer.get("usage")), output=0)
