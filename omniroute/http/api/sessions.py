"""/api/sessions: who was served lately, and by which candidate."""

from __future__ import annotations

from sanic import HTTPResponse

from omniroute.http.edge.asked import Asked
from omniroute.http.edge.respond import as_json
from omniroute.http.edge.routes import Route, Surface
from omniroute.management.sessions import sessions
from omniroute.worker.runtime import Runtime


async def _sessions(runtime: Runtime, asked: Asked) -> HTTPResponse:
    return as_json(sessions(runtime))


ROUTES = (
    Route(
        method="GET",
        path="/api/sessions",
        name="sessions",
        surface=Surface.VIEWER,
        handle=_sessions,
        summary="Sessions that were served lately",
    ),
)
