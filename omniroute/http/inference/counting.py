"""Counting tokens: what a request would weigh, in the answer that its format's table gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson
from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import whole
from omniroute.http.inference.generate import inbound_of
from omniroute.request.bounds import check_size
from omniroute.translation.values import Endpoint
from omniroute.worker.runtime import Runtime

HEADER: Final = "X-OmniRoute-Token-Count"
"""Who counted: a provider's id, or `estimate` for this gateway."""


async def count(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """The count of a request. Raises RequestError, also for what is no request."""
    snapshot = runtime.snapshot
    client = snapshot.formats.client(endpoint.format)

    def counted() -> bytes:
        check_size(asked.body, snapshot.config.server.limits)
        return client.request_in("count", asked.body)

    body = await runtime.heavy.run(counted)
    inbound = inbound_of(runtime, asked, endpoint, places, body=body)
    found = await runtime.pipeline.count(inbound)
    answer = orjson.dumps(client.answer("count", {"tokens": found.tokens}))
    return whole(200, {HEADER: found.by or "estimate"}, answer)
