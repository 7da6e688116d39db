"""The one object of a request: what came in, what it runs on, the record that its steps fill."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any

from omniroute.active.snapshot import Snapshot
from omniroute.admission.values import Refuse
from omniroute.base.heavy import BIG_BYTES
from omniroute.catalog.tokens import estimate_request
from omniroute.errors import RequestError
from omniroute.ledger.record import RequestRecord
from omniroute.request.inbound import Inbound
from omniroute.request.services import Services
from omniroute.translation.values import ClientFormat, Facts, Failure, Usage

_log = logging.getLogger("omniroute.request")

_NOTHING = Usage()


class Request:
    """Owned by one request's life. The snapshot is the one that it arrived on, to its end.

    What the steps learn for people goes into `record`, what they learn for each other into the
    fields below; a field is set by the step that its comment names, before anybody reads it.
    """

    __slots__ = (
        "_input_tokens",
        "_loop",
        "_started_s",
        "body",
        "client",
        "deadline",
        "facts",
        "full",
        "inbound",
        "is_big",
        "known_to",
        "record",
        "services",
        "snapshot",
        "started",
        "upstream_ms",
        "usage",
        "written",
    )

    body: dict[str, Any]
    """As the client sent it, parsed; set by `understand`."""
    full: dict[str, Any]
    """With what it goes on from written out; the same object where it goes on from nothing."""
    known_to: str | None
    """The provider that knows by itself what the request goes on from."""
    facts: Facts
    """What its format's table reads of `full`; set by `understand`."""

    def __init__(self, services: Services, snapshot: Snapshot, inbound: Inbound) -> None:
        clock = services.clock
        self._loop = asyncio.get_running_loop()
        self._started_s = clock.monotonic_s()
        self.services = services
        self.snapshot = snapshot
        self.inbound = inbound
        self.client: ClientFormat = snapshot.formats.client(inbound.format, inbound.kind)
        """How it asks, for what it asks for."""
        self.started: datetime = clock.now()
        self.deadline = self._loop.time() + snapshot.config.server.request_timeout_s
        """On the loop's clock, for all attempts together."""
        self.known_to = None
        self.is_big = len(inbound.body) >= BIG_BYTES
        """Work on the body, or on what it goes on from, has to be done beside the loop."""
        self._input_tokens: int | None = None
        self.usage = _NOTHING
        self.upstream_ms = 0.0
        """Spent waiting for providers, all attempts together."""
        self.written = False
        told = inbound.headers.get
        self.record = RequestRecord(
            request_id=inbound.request_id,
            time=self.started,
            path=inbound.path,
            client_format=inbound.format,
            status=200,
            total_ms=0.0,
            config_digest=snapshot.digest,
            git_commit=snapshot.commit,
            client_ip=inbound.client_ip,
            kind=inbound.kind,
            requested_model=inbound.model,
            bytes_in=len(inbound.body)
            if inbound.upload is None
            else len(inbound.body) + inbound.upload.size_bytes,
            user_agent=told("user-agent"),
            app=told("x-title"),
            agent=told("x-claude-code-agent-id") or told("x-agent-id"),
            parent_agent=told("x-claude-code-parent-agent-id") or told("x-parent-agent-id"),
        )

    def now_s(self) -> float:
        """The loop's clock, which routing counts on."""
        return self._loop.time()

    def elapsed_ms(self) -> float:
        return (self.services.clock.monotonic_s() - self._started_s) * 1000

    def input_tokens(self) -> int:
        """Tokens of `full` by estimate, which is made once."""
        if self._input_tokens is None:
            self._input_tokens = estimate_request(self.full)
        return self._input_tokens

    def first_byte(self) -> None:
        """The client is about to see the first byte of its answer."""
        if self.record.first_byte_ms is None:
            self.record.first_byte_ms = round(self.elapsed_ms(), 3)

    def used(self, usage: Usage) -> None:
        """What the answer used, as its provider counted it or as it was estimated."""
        self.usage = usage
        record = self.record
        record.input_uncached = usage.input_uncached
        record.cache_read = usage.cache_read
        record.cache_write = usage.cache_write
        record.output = usage.output
        record.reasoning = usage.reasoning
        record.service_tier = usage.service_tier and self.snapshot.redact(usage.service_tier)

    def failed(self, failure: Failure) -> None:
        """The answer ends with this error, whether as its status or in the middle of a stream."""
        record = self.record
        record.status = failure.status
        record.error_class = failure.kind
        record.error_message = failure.message

    def refused(self, refusal: Refuse) -> RequestError:
        """What the client is told; the record names who decided, the log why a rule could not."""
        if refusal.detail is not None:
            _log.warning("%s: %s", refusal.decided_by, refusal.detail)
        where = f" ({refusal.mark})" if refusal.mark is not None else ""
        self.record.decided_by = refusal.decided_by + where
        return refusal.error

    def write(self) -> None:
        """Append the record, once, with its durations."""
        if self.written:
            return
        self.written = True
        record = self.record
        total_ms = self.elapsed_ms()
        before_ms = total_ms if record.first_byte_ms is None else record.first_byte_ms
        record.total_ms = round(total_ms, 3)
        record.overhead_ms = round(max(0.0, before_ms - self.upstream_ms), 3)
        attempts = record.attempts
        if attempts:
            record.upstream_ms = round(self.upstream_ms, 3)
            if len(attempts) > 1:
                record.fallback_reason = attempts[0].error_class
        self.services.append(record)
        if self.inbound.recorded is not None:
            self.inbound.recorded(record)
