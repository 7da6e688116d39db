"""Vectors: requests for them between any two formats, as the tables' `embedding` sections say.

The hub of such a request is `model`, `inputs` [{`text`} or {`tokens`}], `dimensions`, `task`,
`title`, `truncate`, `metadata` {`user`}; of its answer `model`, `vectors` and `usage`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from msgspec.structs import replace

from omniroute.errors import TranslationError, UpstreamCutError, UpstreamReportedError
from omniroute.translation import hub
from omniroute.translation.format import Embeddings, Format
from omniroute.translation.naming import path_with
from omniroute.translation.pair import (
    FormatPair,
    context,
    drop_unknown,
    fixed_headers,
    left_of,
    render,
    run,
    run_object,
)
from omniroute.translation.runtime import Context, drop
from omniroute.translation.shape import is_array, is_object
from omniroute.translation.values import Destination, Embedded, Outbound, Reply, Usage


class EmbeddingPair(FormatPair):
    """A client's format in front of a provider's, for requests that ask for vectors."""

    def __init__(self, client: Format, upstream: Format) -> None:
        super().__init__(client, upstream)
        self._rules = rules_of(upstream)
        self._setters = self._rules.setters
        self._known = rules_of(client).known_fields
        self._headers = fixed_headers(upstream)

    def request(self, body: dict[str, Any], raw: bytes, target: Destination) -> Outbound:
        ctx = context(target, body)
        sent = (
            self._with_changes(body, target, ctx)
            if self.passthrough
            else _asked(self._upstream, self._hub(ctx, target), ctx)
        )
        if target.without:
            sent = left_of(sent, target, (), ctx)
        *earlier, last = _parts(sent, self._rules, target.max_inputs)
        return Outbound(
            path=path_with(_path(self._rules, sent), target.model),
            headers=self._headers,
            body=raw if raw and last == body else render(last),
            earlier=tuple(map(render, earlier)),
            dropped=tuple(ctx["dropped"]),
        )

    def reply(
        self,
        body: bytes,
        request: dict[str, Any],
        target: Destination,
        *,
        earlier: Sequence[bytes] = (),
    ) -> Reply:
        ctx = context(target, request)
        answers = [self._read(part, ctx) for part in (*earlier, body)]
        try:
            if self.passthrough and len(answers) == 1:
                read = self._upstream.functions["embedding.response.read"]
                return Reply(body=body, usage=_usage(run_object(read, answers[0], ctx)), stop=None)
            return self._told([_decoded(self._upstream, one, ctx) for one in answers], ctx)
        except TranslationError as error:
            message = f"the upstream's answer cannot be read: {error.message}"
            raise UpstreamCutError(message) from error

    def _read(self, body: bytes, ctx: Context) -> dict[str, Any]:
        """One answer. Raises UpstreamCutError, UpstreamReportedError for the words of an error."""
        answer = _object(body)
        if self._tells_of_failure(answer):
            found = _decoded(self._upstream, answer, ctx)
            if not found.get("vectors"):
                raise UpstreamReportedError("the upstream's answer is an error")
        return answer

    def _told(self, answers: list[dict[str, Any]], ctx: Context) -> Reply:
        """The answers to all parts as one, in the client's format."""
        vectors = [vector for answer in answers for vector in _vectors(answer)]
        decode = self._client.functions["embedding.request.decode"]
        inputs = run_object(decode, ctx["request"], {**ctx, "dropped": {}}).get("inputs") or ()
        if len(vectors) != len(inputs):
            raise UpstreamCutError(
                f"the upstream's answer holds {len(vectors)} vectors for {len(inputs)} inputs"
            )
        usage = _sum(_usage(answer) for answer in answers)
        response: dict[str, Any] = {
            "model": answers[0].get("model") or ctx["model"],
            "vectors": vectors,
            "usage": hub.usage_object(usage),
        }
        encode = self._client.functions["embedding.response.encode"]
        body = render(run(encode, response, ctx))
        return Reply(body=body, usage=usage, stop=None, dropped=tuple(ctx["dropped"]))

    def _hub(self, ctx: Context, target: Destination) -> dict[str, Any]:
        body: dict[str, Any] = ctx["request"]
        decode = self._client.functions["embedding.request.decode"]
        decoded = hub.need_object(run(decode, body, ctx), "the body")
        decoded["model"] = ctx["model"]
        drop_unknown(self._known, body, ctx)
        if not decoded.get("inputs"):
            raise TranslationError("the request holds nothing to embed")
        for name, value in target.set_fields.items():
            field = hub.hub_field(name)
            if field in self._setters:
                hub.set_field(decoded, field, value)
            elif value is not None:
                drop(ctx, field)
        return decoded


class TableEmbedder:
    """See `omniroute.translation.values.Embedder`."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self._headers = fixed_headers(format)

    def request(self, text: str, model: str) -> Outbound:
        ctx: Context = {"dropped": {}, "model": model}
        body = _asked(self._format, {"model": model, "inputs": [{"text": text}]}, ctx)
        return Outbound(
            path=path_with(_path(rules_of(self._format), body), model),
            headers=self._headers,
            body=render(body),
        )

    def reply(self, body: bytes) -> Embedded:
        answer = _object(body)
        try:
            found = _decoded(self._format, answer, {"dropped": {}})
        except TranslationError as error:
            raise UpstreamCutError("the embedding model's answer cannot be read") from error
        vector = next(iter(_vectors(found)), None)
        if vector is None or not any(vector):
            raise UpstreamCutError("the embedding model's answer holds no vector")
        return Embedded(vector=tuple(map(float, vector)), usage=_usage(found))


def rules_of(format: Format) -> Embeddings:
    """Raises TranslationError for a format that has no embeddings."""
    if format.embedding is None:
        raise TranslationError(f"the format {format.name} has no embeddings")
    return format.embedding


def _asked(format: Format, node: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return run_object(format.functions["embedding.request.encode"], node, ctx)


def _decoded(format: Format, answer: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return run_object(format.functions["embedding.response.decode"], answer, ctx)


def _path(rules: Embeddings, body: dict[str, Any]) -> str:
    for member, path in rules.paths.items():
        if body.get(member) is not None:
            return path
    raise TranslationError("the request holds nothing to embed")


def _parts(body: dict[str, Any], rules: Embeddings, most: int | None) -> list[dict[str, Any]]:
    """The body, or as many as it takes to have no more inputs in one than its receiver bears."""
    most = most or rules.most
    inputs = body.get(rules.batch) if rules.batch is not None else None
    if most is None or not is_array(inputs) or len(inputs) <= most or _is_tokens(inputs):
        return [body]
    starts = range(0, len(inputs), most)
    return [{**body, str(rules.batch): inputs[at : at + most]} for at in starts]


def _is_tokens(inputs: list[Any]) -> bool:
    """A list of numbers is one input, in tokens."""
    return type(inputs[0]) in (int, float)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UpstreamCutError("the upstream's answer is not JSON") from error
    if not is_object(answer):
        raise UpstreamCutError("the upstream's answer is not a JSON object")
    return answer


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


def _sum(usages: Iterable[Usage]) -> Usage:
    """Of all parts; unknown as soon as one did not say."""
    counts = [usage.input_uncached for usage in usages]
    known = [count for count in counts if count is not None]
    return Usage(input_uncached=sum(known) if len(known) == len(counts) else None, output=0)
