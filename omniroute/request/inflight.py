"""One request in flight: what every step needs of it, and its one record."""

from __future__ import annotations

import asyncio

from omniroute.active.snapshot import Snapshot
from omniroute.admission.values import Refuse
from omniroute.base.secret import redact
from omniroute.errors import RequestError
from omniroute.request.call import Inbound
from omniroute.request.services import Services
from omniroute.request.trace import Trace


class InFlight:
    """Owned by one request. The snapshot is the one that it arrived on, to its end."""

    __slots__ = ("_loop", "deadline", "inbound", "services", "snapshot", "trace", "written")

    def __init__(self, services: Services, snapshot: Snapshot, inbound: Inbound) -> None:
        self._loop = asyncio.get_running_loop()
        self.services = services
        self.snapshot = snapshot
        self.inbound = inbound
        self.trace = Trace(inbound, digest=snapshot.digest, clock=services.clock)
        self.deadline = self._loop.time() + snapshot.config.server.request_timeout_s
        """On the loop's clock, for all attempts together."""
        self.written = False

    def now_s(self) -> float:
        """The loop's clock, which routing counts on."""
        return self._loop.time()

    def write(self) -> None:
        """Append the record, once."""
        if self.written:
            return
        self.written = True
        trace = self.trace
        if trace.error_message is not None:
            trace.error_message = redact(trace.error_message, self.snapshot.secrets)
        self.services.append(trace.record())

    def refused(self, refusal: Refuse) -> RequestError:
        """What the client is told; the record names who decided."""
        where = f" ({refusal.mark})" if refusal.mark is not None else ""
        self.trace.decided_by = refusal.decided_by + where
        return refusal.error
