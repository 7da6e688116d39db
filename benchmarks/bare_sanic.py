"""The yardstick: a Sanic application that answers the same bytes itself and does no more."""

# Sanic's own signatures leave type parameters open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import sys
from typing import cast

from sanic import HTTPResponse, Request, Sanic
from sanic.response import raw

from benchmarks.payload import completion, stream_events

_BODY = completion()
_EVENTS = stream_events()

app = Sanic("bare")


@app.post("/v1/chat/completions")
async def chat(request: Request) -> HTTPResponse | None:
    if b'"stream": true' not in request.body:
        return raw(_BODY, content_type="application/json")
    reply = await request.respond(content_type="text/event-stream")
    response = cast(HTTPResponse, reply)
    for event in _EVENTS:
        await response.send(event)
    await response.eof()
    return None


if __name__ == "__main__":
    app.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        single_process=True,
        access_log=False,
        motd=False,
    )
