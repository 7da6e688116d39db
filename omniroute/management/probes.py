"""Asking a provider which models it has: what a connection, or a server that nobody declared yet,
is tried with. It costs nothing at any provider, and changes nothing of what routing knows."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from omniroute.config.model import Timeouts
from omniroute.errors import BlockedAddressError, Kind, RequestError, UpstreamError
from omniroute.management.accounts import found_account
from omniroute.management.moment import Instant
from omniroute.management.provider_nodes import FORMATS, ApiType, NodeType
from omniroute.request.provider import read_whole, words_of
from omniroute.translation.values import Lister
from omniroute.upstream.client import UpstreamRequest
from omniroute.upstream.options import TransportOptions
from omniroute.upstream.outlet import Outlet
from omniroute.worker.runtime import Runtime

DEADLINE_S: Final = 15.0
MAX_LIST_BYTES: Final = 8 << 20
"""OpenRouter's list, the longest that is known, has half a megabyte."""
_WAITS: Final = Timeouts()


class Diagnosis(Struct, frozen=True, kw_only=True):
    """Why it does not work: `type` is the class of the error; `source` is `upstream` for what the
    provider said, `network` for how it was not reached."""

    type: Kind
    source: Literal["upstream", "network"]
    message: str


class ProbeReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a connection does. `warning` says where nothing could be asked."""

    valid: bool
    error: str | None
    warning: str | None
    diagnosis: Diagnosis | None
    latency_ms: float | None
    status_code: int | None
    models: list[str]
    """Those that the provider lists for this credential."""
    tested_at: Instant


class FoundModel(Struct, frozen=True, kw_only=True):
    """`listed` is one that our own lists have."""

    id: str
    listed: bool


class FoundModels(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a provider lists now."""

    provider: str
    connection_id: str
    models: list[FoundModel]


class NodeCandidate(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A server that might be declared. It is asked directly, through no proxy."""

    base_url: Annotated[str, Meta(min_length=1, max_length=2048)]
    api_key: str = ""
    type: NodeType = "openai-compatible"
    api_type: ApiType = "chat"
    format: str | None = None
    allow_private_network: bool = False


class _Asked(Struct, frozen=True, kw_only=True):
    models: tuple[str, ...] = ()
    status: int | None = None
    latency_s: float | None = None
    diagnosis: Diagnosis | None = None


async def probe(runtime: Runtime, id: str) -> ProbeReport:
    """Raises RequestError (404)."""
    return await _probe(runtime, _outlet(runtime, id))


async def found_models(runtime: Runtime, id: str) -> FoundModels:
    """Raises RequestError: 404 for an unknown connection, 422 for one that is disabled or whose
    provider cannot be asked, and 502 or 504 where it does not answer as it should."""
    provider, _ = found_account(runtime, id)
    outlet = _outlet(runtime, id)
    lister = None if outlet is None else _lister(runtime, outlet.format)
    if outlet is None or lister is None:
        why = "is disabled" if outlet is None else "has a format that does not list models"
        raise RequestError("unprocessable", f'"{id}" {why}')
    asked = await _ask(runtime, outlet, lister)
    if asked.diagnosis is not None:
        kind: Kind = "timeout" if asked.diagnosis.type == "timeout" else "upstream"
        raise RequestError(kind, asked.diagnosis.message)
    return FoundModels(
        provider=provider.id,
        connection_id=outlet.key,
        models=[FoundModel(id=one, listed=one in provider.models) for one in asked.models],
    )


async def validate_node(runtime: Runtime, candidate: NodeCandidate) -> ProbeReport:
    """Raises RequestError (400) for a format that there is not."""
    format = candidate.format or FORMATS.get((candidate.type, candidate.api_type))
    if format is None or format not in runtime.snapshot.formats.names():
        raise RequestError("invalid_request", "there is no such format", param="format")
    formats = runtime.snapshot.formats
    outlet = Outlet(
        key="validate",
        format=format,
        base_url=candidate.base_url.rstrip("/"),
        headers=formats.auth_headers(format, candidate.api_key),
        transport=TransportOptions(allow_private_network=candidate.allow_private_network),
        connect_s=_WAITS.connect_s,
        first_byte_s=DEADLINE_S,
        idle_s=DEADLINE_S,
    )
    return await _probe(runtime, outlet, secret=candidate.api_key)


def _outlet(runtime: Runtime, id: str) -> Outlet | None:
    found_account(runtime, id)
    return runtime.snapshot.outlets.get(id)


def _lister(runtime: Runtime, format: str) -> Lister | None:
    return runtime.snapshot.formats.lister(format)


async def _probe(runtime: Runtime, outlet: Outlet | None, *, secret: str = "") -> ProbeReport:
    now = runtime.clock.now().isoformat()
    lister = None if outlet is None else _lister(runtime, outlet.format)
    if outlet is None or lister is None:
        missing = "its secret is missing"
        return ProbeReport(
            valid=outlet is not None,
            error=missing if outlet is None else None,
            warning=None if outlet is None else "its format does not say how models are listed",
            diagnosis=None,
            latency_ms=None,
            status_code=None,
            models=[],
            tested_at=now,
        )
    asked = await _ask(runtime, outlet, lister, secret=secret)
    latency_s = asked.latency_s
    return ProbeReport(
        valid=asked.diagnosis is None,
        error=None if asked.diagnosis is None else asked.diagnosis.message,
        warning=None,
        diagnosis=asked.diagnosis,
        latency_ms=None if latency_s is None else round(latency_s * 1000, 1),
        status_code=asked.status,
        models=list(asked.models),
        tested_at=now,
    )


async def _ask(runtime: Runtime, outlet: Outlet, lister: Lister, *, secret: str = "") -> _Asked:
    def told(error: UpstreamError) -> str:
        words = words_of(error, runtime.snapshot.redact)
        return words.replace(secret, "***") if secret else words

    loop = asyncio.get_running_loop()
    began = loop.time()
    request = UpstreamRequest(
        method="GET", url=outlet.url(lister.path), headers=outlet.headers, own=lister.headers
    )
    transport = runtime.transports.get(outlet.transport)
    status = None
    try:
        exchange = await transport.open(request, outlet.bounds(began + DEADLINE_S))
        try:
            status, latency_s = exchange.status, loop.time() - began
            if status >= 300:
                return _Asked(status=status, latency_s=latency_s, diagnosis=_refusal(status))
            models = lister.reply(await read_whole(exchange, limit_bytes=MAX_LIST_BYTES))
            return _Asked(models=models, status=status, latency_s=latency_s)
        finally:
            await exchange.close()
    except UpstreamError as error:
        source = "network" if status is None else "upstream"
        blocked = isinstance(error, BlockedAddressError)
        kind: Kind = "permission" if blocked else error.kind
        return _Asked(
            status=status, diagnosis=Diagnosis(type=kind, source=source, message=told(error))
        )


def _refusal(status: int) -> Diagnosis:
    kind: Kind = "upstream"
    if status in (401, 403):
        kind = "authentication"
    elif status == 429:
        kind = "rate_limit"
    elif status == 404:
        kind = "not_found"
    return Diagnosis(type=kind, source="upstream", message=f"the provider answered {status}")
