"""Requests to a model: one handler, driven by what its endpoint's table says."""

from __future__ import annotations

from collections.abc import Mapping

from omniroute.http.edge import cors
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.auth import client_ip_of, presented_key
from omniroute.http.edge.routes import Answer
from omniroute.http.inference.loading import loaded
from omniroute.request.inbound import Inbound, Sink
from omniroute.translation.values import Endpoint
from omniroute.worker.runtime import Runtime


async def infer(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> Answer | None:
    """Run a request through the pipeline; None when the answer was streamed."""
    answer = loaded(runtime, asked, endpoint)
    if answer is not None:
        return answer

    async def opener(status: int, headers: dict[str, str], content_type: str) -> Sink:
        origins = runtime.snapshot.config.server.cors.origins
        return await asked.open_stream(
            status, {**headers, **cors.allow(origins, asked.headers)}, content_type
        )

    inbound = inbound_of(runtime, asked, endpoint, places, body=asked.body)
    return await runtime.pipeline.run(inbound, opener)


def inbound_of(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str], *, body: bytes
) -> Inbound:
    """A request as the pipeline takes it: the body, and what its path and query say beside it."""
    snapshot = runtime.snapshot
    framing = endpoint.framing
    if endpoint.unless is not None and asked.query(endpoint.unless[0]) == endpoint.unless[1]:
        framing = None
    return Inbound(
        request_id=asked.request_id,
        path=asked.path,
        format=endpoint.format,
        kind=endpoint.kind or "chat",
        body=body,
        headers=asked.headers,
        key=presented_key(asked, snapshot),
        client_ip=client_ip_of(asked, snapshot),
        model=places.get("model"),
        stream=endpoint.stream,
        provider=places.get("provider"),
        stream_framing=framing,
        upload=asked.upload,
        recorded=asked.recorded,
    )
