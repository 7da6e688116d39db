"""What is learned about one request while it runs, and the ledger record that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from omniroute.base.clock import Clock
from omniroute.errors import Kind
from omniroute.ledger.record import AttemptRecord, CacheOutcome, RequestRecord
from omniroute.request.call import Inbound
from omniroute.translation.values import Failure, Usage

NOTHING = Usage()


class Trace:
    """Owned by one request; `record` may be called once everything is known."""

    key: str | None = None
    tags: Mapping[str, str] = {}
    session: str | None = None
    stream: bool = False
    status: int = 200
    error_class: Kind | None = None
    error_message: str | None = None
    provider: str | None = None
    connection: str | None = None
    upstream_model: str | None = None
    usage: Usage = NOTHING
    usage_estimated: bool = False
    cost_nanousd: int | None = None
    price_source: str | None = None
    first_byte_ms: float | None = None
    upstream_ms: float = 0.0
    cache: CacheOutcome = "none"
    decided_by: str | None = None
    dropped: tuple[str, ...] = ()
    bytes_out: int = 0

    def __init__(self, inbound: Inbound, *, digest: str, clock: Clock) -> None:
        self._inbound = inbound
        self._digest = digest
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._time = clock.now()
        self.client_ip = inbound.client_ip
        self.model: str | None = inbound.model
        self.attempts: list[AttemptRecord] = []

    @property
    def started(self) -> datetime:
        return self._time

    def elapsed_ms(self) -> float:
        return (self._clock.monotonic_s() - self._started_s) * 1000

    def failed(self, failure: Failure) -> None:
        """The answer ends with this error, whether as its status or in the middle of a stream."""
        self.status = failure.status
        self.error_class = failure.kind
        self.error_message = failure.message

    def first_byte(self) -> None:
        if self.first_byte_ms is None:
            self.first_byte_ms = self.elapsed_ms()

    def record(self) -> RequestRecord:
        inbound = self._inbound
        total_ms = self.elapsed_ms()
        before_ms = total_ms if self.first_byte_ms is None else self.first_byte_ms
        usage = self.usage
        attempts = tuple(self.attempts)
        return RequestRecord(
            request_id=inbound.request_id,
            time=self._time,
            path=inbound.path,
            client_format=inbound.format,
            status=self.status,
            total_ms=round(total_ms, 3),
            config_digest=self._digest,
            key=self.key,
            tags=self.tags,
            session=self.session,
            client_ip=self.client_ip,
            kind=inbound.kind,
            stream=self.stream,
            requested_model=self.model,
            provider=self.provider,
            connection=self.connection,
            upstream_model=self.upstream_model,
            error_class=self.error_class,
            error_message=self.error_message,
            input_uncached=usage.input_uncached,
            cache_read=usage.cache_read,
            cache_write=usage.cache_write,
            output=usage.output,
            reasoning=usage.reasoning,
            usage_estimated=self.usage_estimated,
            cost_nanousd=self.cost_nanousd,
            price_source=self.price_source,
            first_byte_ms=None if self.first_byte_ms is None else round(self.first_byte_ms, 3),
            upstream_ms=round(self.upstream_ms, 3) if attempts else None,
            overhead_ms=round(max(0.0, before_ms - self.upstream_ms), 3),
            cache=self.cache,
            decided_by=self.decided_by,
            fallback_reason=attempts[0].reason if len(attempts) > 1 else None,
            dropped=self.dropped,
            bytes_in=len(inbound.body),
            bytes_out=self.bytes_out,
            attempts=attempts,
        )
