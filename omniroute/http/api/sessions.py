"""/api/sessions: who was served lately, and by which candidate."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import sessions
from omniroute.management.sessions import Sessions
from omniroute.worker.runtime import Runtime


async def _sessions(runtime: Runtime) -> Sessions:
    return sessions.sessions(runtime)


ROUTES = (
    operation(
        "GET",
        "/api/sessions",
        _sessions,
        name="sessions",
        surface=Surface.VIEWER,
        summary="Sessions that were served lately",
    ),
)
