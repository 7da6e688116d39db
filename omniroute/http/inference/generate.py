"""The inference endpoints: one handler, driven by the format that a path speaks."""

from __future__ import annotations

import re

from sanic import HTTPResponse

from omniroute.http.edge import cors
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.endpoints import ENDPOINTS, Endpoint
from omniroute.http.edge.respond import whole
from omniroute.http.edge.routes import Handle, Route, Surface
from omniroute.http.inference.loading import loaded
from omniroute.request.inbound import Inbound, Sink
from omniroute.worker.runtime import Runtime


async def infer(runtime: Runtime, asked: Asked, inbound: Inbound) -> HTTPResponse | None:
    """Run a request through the pipeline; None when the answer was streamed."""

    async def opener(status: int, headers: dict[str, str], content_type: str) -> Sink:
        origins = runtime.snapshot.config.server.cors_origins
        return await asked.open_stream(
            status, {**headers, **cors.allow(origins, asked.headers)}, content_type
        )

    answer = await runtime.pipeline.run(inbound, opener)
    if answer is None:
        return None
    return whole(answer.status, answer.headers, answer.body, answer.content_type)


def _handler(endpoint: Endpoint) -> Handle:
    async def handle(
        runtime: Runtime, asked: Asked, provider: str | None = None
    ) -> HTTPResponse | None:
        answer = loaded(runtime, asked, endpoint)
        if answer is not None:
            return answer
        inbound = Inbound(
            request_id=asked.request_id,
            path=asked.path,
            format=endpoint.format,
            kind=endpoint.kind,
            body=asked.body,
            headers=asked.headers,
            key=presented_key(asked),
            client_ip=client_ip_of(asked, runtime.snapshot),
            provider=provider,
        )
        return await infer(runtime, asked, inbound)

    return handle


ROUTES = tuple(
    Route(
        method="POST",
        path=endpoint.path,
        name="infer" + re.sub(r"\W", "_", endpoint.path),
        surface=Surface.INFERENCE,
        handle=_handler(endpoint),
        summary=f"A request in the format {endpoint.format}",
    )
    for endpoint in ENDPOINTS
)
