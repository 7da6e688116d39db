"""Counting tokens: what a request would weigh, in each format's own answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson
from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Route, Surface
from omniroute.request.inbound import Inbound
from omniroute.worker.runtime import Runtime

HEADER: Final = "X-OmniRoute-Token-Count"
"""Who counted: a provider's id, or `estimate` for this gateway."""


async def counted(
    runtime: Runtime, inbound: Inbound, render: Callable[[int], bytes]
) -> HTTPResponse:
    """The count of a request in a client's format. Raises RequestError."""
    answer = await runtime.pipeline.count(inbound)
    return whole(200, {HEADER: answer.by or "estimate"}, render(answer.tokens))


async def _count_messages(runtime: Runtime, asked: Asked) -> HTTPResponse:
    inbound = Inbound(
        request_id=asked.request_id,
        path=asked.path,
        format="anthropic",
        body=asked.body,
        headers=asked.headers,
        key=presented_key(asked),
        client_ip=client_ip_of(asked, runtime.snapshot),
    )
    return await counted(runtime, inbound, lambda tokens: orjson.dumps({"input_tokens": tokens}))


ROUTES = (
    Route(
        method="POST",
        path="/v1/messages/count_tokens",
        name="count_tokens",
        summary="Tokens of an Anthropic request",
        surface=Surface.INFERENCE,
        handle=_count_messages,
    ),
)
