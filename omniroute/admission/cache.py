"""The cache: which answers may be kept, for whom, and under which signature or group.

Nothing is ever served across a scope: the scope is a part of the signature, so two tenants that ask
the same question have two entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
import orjson

from omniroute.admission.values import Admit, Caller
from omniroute.base.bigjson import write_json
from omniroute.config.model import ExactCache, ModelKind, SemanticCache
from omniroute.state.store import Space

NO_CACHE_HEADER: Final = "x-omniroute-no-cache"
_DELIVERY: Final = frozenset(("stream", "stream_options"))  # how an answer comes, not what it is


WHOLE: Final = "whole"
"""The delivery of an answer that is not streamed."""


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in the client's format, as it was first given."""

    body: bytes
    content_type: str
    provider: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nanousd: int | None = None
    """What it cost, so that giving it again is known to save that."""
    delivery: str = WHOLE
    """As `delivery_of` names it."""


class Meant(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with the question that it belongs to."""

    vector: bytes
    """Little-endian 32-bit floats."""
    answer: Cached


encode_meant: Final = msgspec.msgpack.Encoder().encode
decode_meant: Final = msgspec.msgpack.Decoder(Meant).decode
encode_cached: Final = msgspec.msgpack.Encoder().encode
decode_cached: Final = msgspec.msgpack.Decoder(Cached).decode


def cache_space(settings: ExactCache) -> Space:
    return _space("cache", settings)


def semantic_space(settings: SemanticCache) -> Space:
    return _space("semantic", settings)


def _space(name: str, settings: ExactCache | SemanticCache) -> Space:
    return Space(
        name=name,
        max_entries=settings.max_entries,
        max_bytes=settings.max_bytes,
        persist=settings.persist,
    )


def scope_of(caller: Caller, scope: Literal["key", "tag", "global"]) -> str:
    """Whom an entry belongs to. With `tag`, callers share when all their tags are equal."""
    match scope:
        case "key":
            return f"key:{caller.key_id or ''}"
        case "tag":
            tags = orjson.dumps(dict(caller.tags), option=orjson.OPT_SORT_KEYS).decode()
            return f"tag:{tags}"
        case "global":
            return "global"


def may_use_cache(
    admit: Admit, *, kind: ModelKind, temperature: float | None, stream: bool, no_cache: bool
) -> bool:
    """Whether this request may be answered from the cache, and its answer kept.

    Only what is meant to come out the same twice: temperature 0, an embedding, or what a policy
    opted in, which a stream always needs. A policy's no and the client's own header win over
    everything.
    """
    if no_cache or admit.cache is False or kind in ("image", "transcription"):
        return False
    return admit.cache is True or (not stream and (kind == "embedding" or temperature == 0))


def delivery_of(body: Mapping[str, object], *, stream: bool, framing: str | None) -> str:
    """How an answer comes; equal when the bytes of one may be given for the other."""
    if not stream:
        return WHOLE
    return orjson.dumps(("stream", body.get("stream_options"), framing)).decode()


def signature(
    scope: str,
    admit: Admit,
    *,
    path: str,
    meaning: tuple[str, ...],
    body: Mapping[str, object],
) -> str:
    """One text per question: scope, what is routed, and every parameter in canonical order.

    `path` holds the format, and for some formats the model and the method; `meaning` is what the
    headers say that change an answer. How the answer is
    delivered is left out, everything else counts.
    """
    asked = {name: value for name, value in body.items() if name not in _DELIVERY}
    return _digest((*_around(scope, admit, path, meaning), asked))


def group_of(
    scope: str,
    admit: Admit,
    *,
    path: str,
    meaning: tuple[str, ...],
    embedding_model: str,
    frame: tuple[object, ...],
) -> str:
    """One text per group of questions that may share an answer when they mean the same.

    `frame` is the question without its last text. Vectors of two models cannot be compared.
    """
    return _digest((*_around(scope, admit, path, meaning), embedding_model, frame))


def meant_name(group: str, text: str) -> str:
    """Under which the answer to `text` is kept; `group_of_name` gives the group back."""
    return f"{group}:{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"


def group_of_name(name: str) -> str:
    return name.partition(":")[0]


def _around(scope: str, admit: Admit, path: str, meaning: tuple[str, ...]) -> tuple[object, ...]:
    return (scope, path, admit.model, meaning, dict(admit.set_fields))


def _digest(parts: tuple[object, ...]) -> str:
    """Raises TypeError for what is nested too deeply to be written."""
    return hashlib.sha256(write_json(parts, is_sorted=True)).hexdigest()
