"""The way in: every request runs on the snapshot that is current when it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from omniroute.active.snapshot import Snapshot
from omniroute.answers.semantic import Meanings
from omniroute.errors import RequestError
from omniroute.gateway.counting import Counted, count
from omniroute.gateway.run import Run
from omniroute.request.call import Inbound, Opener, Whole
from omniroute.request.inflight import InFlight
from omniroute.request.services import Services
from omniroute.translation.values import Failure

_LEFT: Final = Failure(kind="client_closed", status=499, message="the client left")
_BUG: Final = Failure(kind="internal", status=500, message="an internal error occurred")


class Pipeline:
    """Counts what is running, and sees to it that every request leaves a record."""

    def __init__(
        self, *, current: Callable[[], Snapshot], services: Services, semantic: Meanings
    ) -> None:
        self._current = current
        self._services = services
        self._semantic = semantic
        self.in_flight = 0

    async def run(self, inbound: Inbound, opener: Opener) -> Whole | None:
        """The answer; None when it went out through a sink of `opener`. Raises RequestError."""
        run = Run(self._services, self._semantic, self._current(), inbound)
        self.in_flight += 1
        try:
            return await run.answer(opener)
        except RequestError as error:
            run.trace.failed(Failure(kind=error.kind, status=error.status, message=error.message))
            error.headers = {**run.tried_headers(), **error.headers}
            raise
        except asyncio.CancelledError:
            run.trace.failed(_LEFT)
            raise
        except BaseException:
            run.trace.failed(_BUG)
            raise
        finally:
            self.in_flight -= 1
            run.write()

    async def count(self, inbound: Inbound) -> Counted:
        """Tokens of a request's input. Raises RequestError as `run` does."""
        return await count(InFlight(self._services, self._current(), inbound))
