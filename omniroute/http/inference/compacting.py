"""A long conversation in short: the answer to a request that the format's table makes of it."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from sanic import HTTPResponse

from omniroute.base.bigjson import read_json
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import whole
from omniroute.http.inference.generate import inbound_of
from omniroute.request.bounds import check_size
from omniroute.request.inbound import Sink
from omniroute.translation.values import Endpoint
from omniroute.worker.runtime import Runtime


async def compact(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """Run that request through the pipeline as any other, whole. Raises RequestError as it does,
    and (502) when the answer holds no conversation to go on from."""
    snapshot = runtime.snapshot
    client = snapshot.formats.client(endpoint.format)

    def request_in() -> bytes:
        check_size(asked.body, snapshot.config.server.limits)
        return client.request_in("compact", asked.body)

    body = await runtime.heavy.run(request_in)
    inbound = inbound_of(runtime, asked, endpoint, places, body=body)
    answer = await runtime.pipeline.run(inbound, _unstreamed)
    if answer is None:
        raise TypeError(answer)  # only a sink makes it so

    def compacted() -> bytes | None:
        node = {"request": read_json(body), "answer": read_json(answer.body)}
        found = client.answer("compacted", node)
        return None if found is None else orjson.dumps(found)

    told = await runtime.heavy.run(compacted)
    if told is None:
        raise RequestError("upstream", "the provider did not compact the conversation")
    return whole(answer.status, answer.headers, told, answer.content_type)


async def _unstreamed(status: int, headers: dict[str, str], content_type: str) -> Sink:
    raise TypeError("an answer that was asked for whole is not streamed")
