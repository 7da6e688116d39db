"""Answers from the exact cache, and answers into it."""

from __future__ import annotations

from collections.abc import Mapping

from omniroute.admission.cache import (
    NO_CACHE_HEADER,
    Cached,
    cache_space,
    decode_cached,
    encode_cached,
    may_use_cache,
    scope_of,
    signature,
)
from omniroute.admission.values import Admit
from omniroute.gateway.call import Inbound, Whole
from omniroute.gateway.services import Services
from omniroute.gateway.snapshot import Snapshot
from omniroute.gateway.trace import Trace
from omniroute.translation.values import Facts

HEADER = "X-OmniRoute-Cache"


class KeptAnswers:
    """One request's place in the cache; made only for requests that may use it."""

    def __init__(self, snapshot: Snapshot, services: Services, trace: Trace, name: str) -> None:
        self._settings = snapshot.config.cache.exact
        self._digest = snapshot.digest
        self._space = cache_space(self._settings)
        self._services = services
        self._trace = trace
        self._name = name

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        services: Services,
        inbound: Inbound,
        admit: Admit,
        trace: Trace,
        facts: Facts,
        body: Mapping[str, object],
    ) -> KeptAnswers | None:
        """None when this request is neither answered from the cache nor kept in it."""
        if not snapshot.config.cache.exact.enabled:
            return None
        headers = inbound.headers
        if not may_use_cache(
            admit,
            kind=inbound.kind,
            temperature=facts.temperature,
            stream=trace.stream,
            no_cache=headers.get(NO_CACHE_HEADER, "").lower() == "true",
        ):
            return None
        name = signature(
            scope_of(admit.caller, snapshot.config.cache.scope),
            admit,
            path=inbound.path,
            headers=headers,
            body=body,
        )
        return cls(snapshot, services, trace, name)

    async def find(self) -> Whole | None:
        """The kept answer; its trace then tells that nobody was asked."""
        now_s = self._services.clock.now().timestamp()
        data = await self._services.store.get(self._space, self._name, now_s)
        if data is None:
            self._trace.cache = "miss"
            return None
        cached = decode_cached(data)
        trace = self._trace
        trace.cache = "hit"
        trace.provider, trace.upstream_model = cached.provider, cached.model
        trace.cost_nanousd = 0
        trace.bytes_out = len(cached.body)
        trace.first_byte()
        return Whole(
            status=200,
            body=cached.body,
            content_type=cached.content_type,
            headers={
                HEADER: "HIT",
                "X-OmniRoute-Provider": cached.provider,
                "X-OmniRoute-Config": self._digest,
            },
        )

    async def keep(self, answer: Whole) -> None:
        """Keep a good answer for the next one who asks the same."""
        answer.headers[HEADER] = "MISS"
        if answer.status != 200:
            return
        trace = self._trace
        cached = Cached(
            body=answer.body,
            content_type=answer.content_type,
            provider=trace.provider or "",
            model=trace.upstream_model or "",
            input_tokens=trace.usage.input_uncached,
            output_tokens=trace.usage.output,
        )
        await self._services.store.put(
            self._space,
            self._name,
            encode_cached(cached),
            ttl_s=self._settings.ttl_s,
            now_s=self._services.clock.now().timestamp(),
        )
