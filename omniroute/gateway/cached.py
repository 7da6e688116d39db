"""The exact cache around a run: an equal question gets the kept answer, and pays nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

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
from omniroute.base.clock import Clock
from omniroute.config.model import Cache
from omniroute.gateway.call import Inbound, Whole
from omniroute.state.store import Store

OUTCOME: Final = "X-OmniRoute-Cache"
_PROVIDER: Final = "X-OmniRoute-Provider"
_MODEL: Final = "X-OmniRoute-Model"


def cache_key(
    settings: Cache,
    admit: Admit,
    inbound: Inbound,
    body: Mapping[str, object],
    *,
    temperature: float | None,
    stream: bool,
) -> str | None:
    """The key under which the answer is kept; None for a request that passes by the cache."""
    no_cache = inbound.headers.get(NO_CACHE_HEADER, "").strip().lower() in ("true", "1")
    if not settings.exact.enabled or not may_use_cache(
        admit,
        kind=inbound.kind,
        temperature=temperature,
        stream=stream,
        no_cache=no_cache,
    ):
        return None
    return signature(
        scope_of(admit.caller, settings.scope),
        admit,
        path=inbound.path,
        headers=inbound.headers,
        body=body,
    )


async def through_cache(
    run: Callable[[], Awaitable[Whole | None]],
    key: str,
    *,
    settings: Cache,
    store: Store,
    clock: Clock,
    request_id: str,
) -> Whole | None:
    """The kept answer with `X-OmniRoute-Cache: HIT`, or what `run` answers, kept when it is 200."""
    space = cache_space(settings.exact)
    found = await store.get(space, key, clock.now().timestamp())
    if found is not None:
        cached = decode_cached(found)
        headers = {
            "X-Request-Id": request_id,
            _PROVIDER: cached.provider,
            _MODEL: cached.model,
            OUTCOME: "HIT",
        }
        return Whole(
            status=200, body=cached.body, headers=headers, content_type=cached.content_type
        )
    whole = await run()
    if whole is None:
        return None
    whole.headers[OUTCOME] = "MISS"
    if whole.status == 200:
        kept = Cached(
            body=whole.body,
            content_type=whole.content_type,
            provider=whole.headers.get(_PROVIDER, ""),
            model=whole.headers.get(_MODEL, ""),
        )
        await store.put(
            space,
            key,
            encode_cached(kept),
            ttl_s=settings.exact.ttl_s,
            now_s=clock.now().timestamp(),
        )
    return whole
