"""The exact cache: which answers may be kept, for whom, and under which signature.

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
from omniroute.config.model import ExactCache, ModelKind
from omniroute.state.store import Space

NO_CACHE_HEADER: Final = "x-omniroute-no-cache"
_DELIVERY: Final = frozenset(("stream", "stream_options"))  # how an answer comes, not what it is
_MEANING_HEADERS: Final = ("anthropic-version", "anthropic-beta", "openai-beta")


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in the client's format, as it was first given."""

    body: bytes
    content_type: str
    provider: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None


encode_cached: Final = msgspec.msgpack.Encoder().encode
decode_cached: Final = msgspec.msgpack.Decoder(Cached).decode


def cache_space(settings: ExactCache) -> Space:
    return Space(
        name="cache",
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
    opted in. A policy's no and the client's own header win over everything.
    """
    if no_cache or stream or admit.cache is False or kind in ("image", "transcription"):
        return False
    return admit.cache is True or kind == "embedding" or temperature == 0


def signature(
    scope: str,
    admit: Admit,
    *,
    path: str,
    headers: Mapping[str, str],
    body: Mapping[str, object],
) -> str:
    """One text per question: scope, what is routed, and every parameter in canonical order.

    `path` holds the format, and for some formats the model and the method. How the answer is
    delivered is left out, everything else counts.
    """
    asked = {name: value for name, value in body.items() if name not in _DELIVERY}
    parts = (
        scope,
        path,
        admit.model,
        [headers.get(name, "") for name in _MEANING_HEADERS],
        dict(admit.set_fields),
        asked,
    )
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()
