"""What is counted for /metrics: plain numbers, added up when a request's record is written.

Labels have a bounded number of values: a model that no file declares is `other`, and so is every
further one once there are too many series. Nothing here knows how numbers are shown.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, TypeVar

from omniroute.admission.budget import BudgetEvent
from omniroute.ledger.record import RequestRecord
from omniroute.routing.health import Change
from omniroute.routing.index import ModelIndex

_Key = TypeVar("_Key")

OTHER: Final = "other"
MAX_SERIES: Final = 5000
"""Of one metric; formats, models and statuses multiply."""
DURATION_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
OVERHEAD_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
TOKEN_TYPES: Final = ("input", "cache_read", "cache_write", "output", "reasoning")


class Histogram:
    """Counts by upper bound; the last one is everything beyond."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Meters:
    """One worker's counts since it started. Belongs to its event loop."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str, str, str], int] = {}
        """By format, provider, model, status and kind."""
        self.errors: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        """By who decided: key, ip_filter, policy, limit, budget, idempotency."""
        self.cache: dict[str, int] = {}
        self.durations: dict[tuple[str, str], Histogram] = {}
        """By format and whether it was streamed."""
        self.first_bytes: dict[str, Histogram] = {}
        """By provider."""
        self.overhead = Histogram(OVERHEAD_S)
        self.tokens: dict[tuple[str, str], int] = {}
        """By provider and type."""
        self.cost_nanousd: dict[str, int] = {}
        self.attempts: dict[str, int] = {}
        self.failures: dict[tuple[str, str], int] = {}
        """By provider and error class."""
        self.changes: dict[tuple[str, str, str], int] = {}
        """Of breakers and credentials, by `provider/connection`, part and state."""
        self.skipped: dict[str, int] = {}
        """Frames of streams that could not be read, by provider."""
        self.warned: dict[tuple[str, str], int] = {}
        """By budget and threshold."""
        self.hooks: dict[str, int] = {}
        """Webhook deliveries by result."""
        self._models: dict[tuple[str, str], str] = {}

    def adopt(self, index: ModelIndex) -> None:
        """Models that this snapshot declares are named from now on."""
        self._models = {
            (candidate.provider.id, candidate.upstream_model): candidate.model
            for candidate in index.candidates()
        }

    def observe(self, record: RequestRecord) -> None:
        """Count one request; called on the data path."""
        provider = record.provider or ""
        self._count_request(record, provider)
        _timed(self.durations, (record.client_format, "true" if record.stream else "false")).add(
            record.total_ms / 1000
        )
        if record.first_byte_ms is not None and record.attempts:
            _timed(self.first_bytes, provider).add(record.first_byte_ms / 1000)
            if record.overhead_ms is not None:
                self.overhead.add(record.overhead_ms / 1000)
        if record.error_class is not None:
            _add(self.errors, record.error_class)
            if record.decided_by is not None:
                _add(self.refused, record.decided_by.partition(":")[0].partition(" ")[0])
        if record.cache != "none":
            _add(self.cache, record.cache)
        if record.attempts:
            self._count_usage(record, provider)
            for attempt in record.attempts:
                _add(self.attempts, attempt.provider)
                if attempt.error_class is not None:
                    _add(self.failures, (attempt.provider, attempt.error_class))

    def skip(self, provider: str, frames: int) -> None:
        """Frames were left out of a provider's stream."""
        self.skipped[provider] = self.skipped.get(provider, 0) + frames

    def change(self, change: Change) -> None:
        """A breaker or a credential has changed its state."""
        _add(self.changes, (change.connection, change.part, change.state))

    def warn(self, event: BudgetEvent) -> None:
        _add(self.warned, (event.budget, f"{event.threshold:g}"))

    def delivered(self, result: str) -> None:
        """A webhook's call: `ok`, `failed` or `dropped`."""
        _add(self.hooks, result)

    def _count_request(self, record: RequestRecord, provider: str) -> None:
        model = ""
        if record.upstream_model is not None:
            model = self._models.get((provider, record.upstream_model), OTHER)
        labels = (record.client_format, provider, model, str(record.status), record.kind)
        if labels not in self.requests and len(self.requests) >= MAX_SERIES:
            labels = (record.client_format, OTHER, OTHER, str(record.status), record.kind)
        _add(self.requests, labels)

    def _count_usage(self, record: RequestRecord, provider: str) -> None:
        counts = (
            record.input_uncached,
            record.cache_read,
            record.cache_write,
            record.output,
            record.reasoning,
        )
        for name, count in zip(TOKEN_TYPES, counts, strict=True):
            if count:
                self.tokens[provider, name] = self.tokens.get((provider, name), 0) + count
        if record.cost_nanousd:
            self.cost_nanousd[provider] = self.cost_nanousd.get(provider, 0) + record.cost_nanousd


def _add(counts: dict[_Key, int], key: _Key) -> None:
    counts[key] = counts.get(key, 0) + 1


def _timed(histograms: dict[_Key, Histogram], key: _Key) -> Histogram:
    found = histograms.get(key)
    if found is None:
        found = histograms[key] = Histogram(DURATION_S)
    return found
