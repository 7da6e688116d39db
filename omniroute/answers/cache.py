"""Answers from the cache, and answers into it: of equal questions first, then of similar ones.

An answer is kept as it went out. Whoever wants it in the same delivery gets the same bytes; for the
other one it is told as a stream, or folded into a whole, and where that would lose something it is
not found.
"""

from __future__ import annotations

import logging
from typing import Final, Literal

import orjson
from msgspec import Struct

from omniroute.admission.cache import (
    NO_CACHE_HEADER,
    WHOLE,
    Cached,
    cache_space,
    decode_cached,
    delivery_of,
    encode_cached,
    group_of,
    may_use_cache,
    meant_name,
    scope_of,
    semantic_space,
    signature,
)
from omniroute.admission.values import Admit
from omniroute.answers.embedding import Embedding
from omniroute.answers.recording import Recorder
from omniroute.answers.semantic import SemanticIndex
from omniroute.config.model import Config
from omniroute.errors import TranslationError, UpstreamCutError
from omniroute.request.inbound import Opener, Whole
from omniroute.request.request import Request
from omniroute.state.store import Store
from omniroute.translation.values import Destination

_log = logging.getLogger("omniroute.cache")

HEADER: Final = "X-OmniRoute-Cache"
TIER_HEADER: Final = "X-OmniRoute-Cache-Tier"
SIMILARITY_HEADER: Final = "X-OmniRoute-Cache-Similarity"
"""For admins alone: it tells how near somebody else's question was."""


class SemanticFigures(Struct, frozen=True, kw_only=True):
    """What people want to know of the semantic cache."""

    memory_size: int
    """Vectors in this worker's index."""
    memory_max_size: int
    db_size: int
    """Answers in the store."""
    evictions: int
    hits: int
    """Of this worker since its start, as the misses."""
    misses: int
    hit_rate: float


async def semantic_figures(
    config: Config, store: Store, semantic: SemanticIndex
) -> SemanticFigures:
    settings = config.cache.semantic
    stats = await store.stats(semantic_space(settings))
    asked = semantic.hits + semantic.misses
    return SemanticFigures(
        memory_size=len(semantic.vectors),
        memory_max_size=settings.max_entries,
        db_size=stats.entries,
        evictions=stats.evictions,
        hits=semantic.hits,
        misses=semantic.misses,
        hit_rate=round(semantic.hits / asked, 4) if asked else 0.0,
    )


class _Asked(Struct, frozen=True, kw_only=True):
    """The question for the search by meaning."""

    group: str
    text: str


class CachedAnswers:
    """One request's place in the cache; made only for requests that may use it."""

    def __init__(self, request: Request, admit: Admit, semantic: SemanticIndex) -> None:
        self._request = request
        self._settings = request.snapshot.config.cache
        self._admit = admit
        self._semantic = semantic
        self._body = request.full
        self._delivery = delivery_of(
            self._body,
            stream=request.record.stream,
            framing=request.inbound.stream_framing,
        )
        self._recorder: Recorder | None = None
        self._vector: bytes | None = None
        self._given: Cached | None = None
        scope = scope_of(admit.caller, self._settings.scope)
        self._name = self._exact_name(scope)
        self._asked = self._question(scope)

    @classmethod
    def of(cls, request: Request, admit: Admit, semantic: SemanticIndex) -> CachedAnswers | None:
        """None when this request is neither answered from the cache nor kept in it."""
        settings = request.snapshot.config.cache
        if not (settings.exact.enabled or settings.semantic.enabled):
            return None
        inbound = request.inbound
        if not may_use_cache(
            admit,
            kind=inbound.kind,
            temperature=request.facts.temperature,
            stream=request.record.stream,
            no_cache=inbound.headers.get(NO_CACHE_HEADER, "").lower() == "true",
        ):
            return None
        try:
            cached = cls(request, admit, semantic)
        except orjson.JSONEncodeError:
            return None  # nested too deeply to have a name
        return cached if cached._name is not None or cached._asked is not None else None

    def _exact_name(self, scope: str) -> str | None:
        if not self._settings.exact.enabled:
            return None
        inbound = self._request.inbound
        return signature(
            scope, self._admit, path=inbound.path, meaning=self._meaning(), body=self._body
        )

    def _meaning(self) -> tuple[str, ...]:
        """What the headers say that, by the formats' tables, an answer depends on."""
        headers = self._request.inbound.headers
        return tuple(headers.get(name, "") for name in self._request.snapshot.formats.vary)

    def _question(self, scope: str) -> _Asked | None:
        inbound, settings = self._request.inbound, self._settings.semantic
        if not settings.enabled or inbound.kind != "chat":
            return None
        try:
            question = self._request.client.question(self._body)
        except TranslationError:
            return None  # the request will fail by itself
        if question is None:
            return None
        group = group_of(
            scope,
            self._admit,
            path=inbound.path,
            meaning=self._meaning(),
            embedding_model=settings.embedding_model,
            frame=question.frame,
        )
        return _Asked(group=group, text=question.text)

    async def find(self) -> Whole | None:
        """The kept answer; the record then tells that nobody was asked."""
        return await self._find_equal() or await self._find_similar() or self._missed()

    def _missed(self) -> None:
        self._request.record.cache = "miss"

    async def _find_equal(self) -> Whole | None:
        if self._name is None:
            return None
        space = cache_space(self._settings.exact)
        data = await self._request.services.store.get(space, self._name, self._now_s())
        return None if data is None else self._give(decode_cached(data), "exact")

    async def _find_similar(self) -> Whole | None:
        if self._asked is None:
            return None
        services, asked = self._request.services, self._asked
        embedding = Embedding(self._request, self._admit, self._semantic)
        self._vector = await embedding.of(asked.text)
        if self._vector is None:
            return None
        found = await self._semantic.find(
            services.store,
            self._settings.semantic,
            group=asked.group,
            vector=self._vector,
            now_s=self._now_s(),
        )
        if found is None:
            return None
        cached, similarity = found
        answer = self._give(cached, "semantic")
        if answer is not None:
            self._request.record.decided_by = "cache.semantic"
            if "admin" in self._admit.caller.roles:
                answer.headers[SIMILARITY_HEADER] = f"{similarity:.4f}"
        return answer

    def _give(self, cached: Cached, tier: Literal["exact", "semantic"]) -> Whole | None:
        """The answer in this request's delivery; None where it cannot be given in that."""
        try:
            body, content_type = self._delivered(cached)
        except (TranslationError, UpstreamCutError) as error:
            _log.debug("a kept answer is not given: %s", error)
            return None
        self._given = cached
        record = self._request.record
        record.cache = "hit"
        record.provider, record.upstream_model = cached.provider, cached.model
        record.cost_nanousd = 0
        record.saved_nanousd = cached.cost_nanousd
        record.bytes_out = len(body)
        self._request.first_byte()
        return Whole(
            status=200,
            body=body,
            content_type=content_type,
            headers={
                HEADER: "HIT",
                TIER_HEADER: tier,
                "X-OmniRoute-Provider": cached.provider,
                "X-OmniRoute-Config": self._request.snapshot.digest,
            },
        )

    def _delivered(self, cached: Cached) -> tuple[bytes, str]:
        """Body and content type. Raises TranslationError or UpstreamCutError."""
        if cached.delivery == self._delivery:
            return cached.body, cached.content_type
        whole = self._folded(cached)
        if self._delivery == WHOLE:
            return whole, "application/json"
        inbound, formats = self._request.inbound, self._request.snapshot.formats
        pair = formats.pair(inbound.format, inbound.format)
        told = pair.replay(whole, self._body, self._target(cached))
        client = formats.client(inbound.format)
        return told, client.stream_content_type(inbound.stream_framing)

    def _folded(self, cached: Cached) -> bytes:
        """Raises TranslationError or UpstreamCutError."""
        if cached.delivery == WHOLE:
            return cached.body
        name = self._request.inbound.format
        pair = self._request.snapshot.formats.pair(name, name)
        return pair.fold(cached.body, self._body, self._target(cached))

    def _target(self, cached: Cached) -> Destination:
        inbound = self._request.inbound
        return Destination(
            provider=cached.provider,
            model=cached.model,
            stream=self._delivery != WHOLE,
            framing=inbound.stream_framing,
            now_s=int(self._request.started.timestamp()),
            seed=inbound.request_id,
        )

    def whole(self) -> bytes:
        """The answer that was found, however it is delivered; empty where that would lose some."""
        if self._given is None:
            return b""
        try:
            return self._folded(self._given)
        except (TranslationError, UpstreamCutError):
            return b""

    def record(self, opener: Opener) -> Opener:
        """Hand this on in the place of `opener`, so that a stream can be kept too."""
        self._recorder = Recorder(opener, {HEADER: "MISS"})
        return self._recorder.open

    async def keep(self, answer: Whole | None) -> None:
        """Keep a good answer, None for a stream, for the next one who asks the same."""
        record, usage = self._request.record, self._request.usage
        if answer is not None:
            answer.headers[HEADER] = "MISS"
        given = answer or (self._recorder.recorded() if self._recorder is not None else None)
        if given is None or given.status != 200 or record.error_class is not None:
            return
        cached = Cached(
            body=given.body,
            content_type=given.content_type,
            provider=record.provider or "",
            model=record.upstream_model or "",
            input_tokens=usage.input_uncached,
            output_tokens=usage.output,
            cost_nanousd=record.cost_nanousd,
            delivery=self._delivery,
        )
        services, now_s = self._request.services, self._now_s()
        if self._name is not None:
            settings = self._settings.exact
            await services.store.put(
                cache_space(settings),
                self._name,
                encode_cached(cached),
                ttl_s=settings.ttl_s,
                now_s=now_s,
            )
        if self._asked is not None and self._vector is not None:
            await self._semantic.keep(
                services.store,
                self._settings.semantic,
                name=meant_name(self._asked.group, self._asked.text),
                vector=self._vector,
                answer=cached,
                now_s=now_s,
            )

    def _now_s(self) -> float:
        return self._request.services.clock.now().timestamp()
