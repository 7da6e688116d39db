"""/api/pricing: what models cost, who says so, and declaring another price in the file."""

from __future__ import annotations

from msgspec import Struct

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import prices
from omniroute.management.prices import PriceChanges, Prices
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


class WhichPrices(Struct, frozen=True):
    """A provider's declared prices that are to go: one model's, or all."""

    provider: str
    model: str | None = None


async def _prices(runtime: Runtime) -> ApiReply[Prices]:
    return ApiReply(value=prices.prices(runtime), digest=runtime.snapshot.digest)


async def _set(runtime: Runtime, *, body: PriceChanges, author: Author) -> ApiReply[Prices]:
    changed = await prices.set_prices(runtime, body, author=author)
    return ApiReply(value=changed, digest=runtime.snapshot.digest)


async def _reset(runtime: Runtime, *, query: WhichPrices, author: Author) -> ApiReply[Prices]:
    left = await prices.reset_prices(runtime, query.provider, query.model, author=author)
    return ApiReply(value=left, digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/pricing", _prices,
        name="pricing", surface=Surface.VIEWER, summary="Prices of the configuration's models",
        etag=True,
    ),
    operation(
        "PATCH", "/api/pricing", _set,
        name="pricing_set", surface=Surface.ADMIN, summary="Declare prices of models",
        refuses=(404, *REFUSES), etag=True,
    ),
    operation(
        "DELETE", "/api/pricing", _reset,
        name="pricing_reset", surface=Surface.ADMIN, summary="Take declared prices away",
        refuses=(400, 404, *REFUSES), etag=True,
    ),
)  # fmt: skip
