"""Kept answers by what their questions mean, as one worker knows them.

Answers and vectors are in the store, which workers may share; each worker searches an index of its
own. It learns what is new when it finds nothing, at most every `LEARN_EVERY_S`, so an answer that
one worker kept is found by the others that much later at most. What the store has lost is dropped
from the index when it is found there.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from omniroute.admission.cache import (
    Cached,
    Meant,
    decode_meant,
    encode_meant,
    group_of_name,
    semantic_space,
)
from omniroute.config.model import SemanticCache
from omniroute.state.store import Store
from omniroute.state.vectors import Vectors

_log = logging.getLogger("omniroute.cache")

LEARN_EVERY_S: Final = 1.0
SKEW_S: Final = 60.0
"""How far the clocks of machines with one store may be apart."""
REST_S: Final = 5.0
"""After the embedding model failed, how long no request waits for it."""


class SemanticIndex:
    """Owned by one worker, kept over reloads."""

    def __init__(self) -> None:
        self.vectors = Vectors()
        self.hits = self.misses = 0
        self.failures: dict[str, int] = {}
        """Texts that got no vector, by the failure's class."""
        self._learned_s: float | None = None
        self._rest_until_s = 0.0
        self._down = False

    def resting(self, now_s: float) -> bool:
        """The embedding model failed a moment ago; both times are monotonic."""
        return now_s < self._rest_until_s

    def without(self, kind: str) -> None:
        """A text got no vector, whoever's fault that is."""
        self.failures[kind] = self.failures.get(kind, 0) + 1

    def failed(self, why: str, now_s: float) -> None:
        self._rest_until_s = now_s + REST_S
        if not self._down:
            self._down = True
            _log.warning("requests go on without the semantic cache: %s", why)

    def works(self) -> None:
        if self._down:
            self._down = False
            _log.warning("the semantic cache is back")

    async def find(
        self, store: Store, settings: SemanticCache, *, group: str, vector: bytes, now_s: float
    ) -> tuple[Cached, float] | None:
        """The answer of the nearest question of the group, and how near it is."""
        found = await self._nearest(store, settings, group, vector, now_s)
        if found is None and await self._learn(store, settings, now_s):
            found = await self._nearest(store, settings, group, vector, now_s)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    async def keep(
        self,
        store: Store,
        settings: SemanticCache,
        *,
        name: str,
        vector: bytes,
        answer: Cached,
        now_s: float,
    ) -> None:
        data = encode_meant(Meant(vector=vector, answer=answer))
        await store.put(semantic_space(settings), name, data, ttl_s=settings.ttl_s, now_s=now_s)
        self._add(settings, name, vector)

    async def _nearest(
        self, store: Store, settings: SemanticCache, group: str, vector: bytes, now_s: float
    ) -> tuple[Cached, float] | None:
        space = semantic_space(settings)
        for near in self.vectors.near(group, vector, threshold=settings.threshold):
            data = await store.get(space, near.name, now_s)
            if data is None:
                self.vectors.drop(near.name)
                continue
            self.vectors.used(near.name)
            return decode_meant(data).answer, near.similarity
        return None

    async def _learn(self, store: Store, settings: SemanticCache, now_s: float) -> bool:
        """Take in what other workers, or an earlier start, have kept; False when nothing is new."""
        before = self._learned_s
        if before is not None and 0 <= now_s - before < LEARN_EVERY_S:
            return False
        self._learned_s = now_s  # before the waits, so that those who come meanwhile do not learn
        done = False
        try:
            space = semantic_space(settings)
            names = await store.names(space, 0.0 if before is None else before - SKEW_S)
            fresh = tuple(name for name in names if name not in self.vectors)
            values = await store.peek(space, fresh, now_s)
            done = True
        finally:
            if not done:
                self._learned_s = before
        for name, data in values.items():
            try:
                self._add(settings, name, decode_meant(data).vector)
            except (msgspec.DecodeError, msgspec.ValidationError):
                continue  # of another version of this program
        return bool(values)

    def _add(self, settings: SemanticCache, name: str, vector: bytes) -> None:
        self.vectors.add(group_of_name(name), name, vector, max_entries=settings.max_entries)
