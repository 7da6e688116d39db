"""What the gateway tells of itself to a format's clients, which need no key for that."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from sanic import HTTPResponse

from omniroute.base.version import __version__
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import whole
from omniroute.translation.values import Endpoint
from omniroute.worker.runtime import Runtime


async def about(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Mapping[str, str]
) -> HTTPResponse:
    """The gateway's version."""
    client = runtime.snapshot.formats.client(endpoint.format)
    return whole(200, {}, orjson.dumps(client.answer("about", {"version": __version__})))
