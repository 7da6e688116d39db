"""The worker's counts in Prometheus' text format, with what can be read while it is scraped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from omniroute.base.units import NANO
from omniroute.base.version import __version__
from omniroute.management.connections import state_of
from omniroute.worker.meters import Histogram
from omniroute.worker.runtime import Runtime

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


async def render(runtime: Runtime) -> bytes:
    """Every series carries the label `worker`: each process counts for itself."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(runtime, await _budget_ratios(runtime)))
    return generate_latest(registry)


async def _budget_ratios(runtime: Runtime) -> dict[str, float]:
    """Spent as a share of the limit, by budget; empty while the store cannot be reached."""
    if not runtime.store.available:
        return {}
    now = runtime.clock.now()
    meters = list(runtime.snapshot.admission.book.meters.values())
    balances = await runtime.store.balances(tuple(meter.counter(now) for meter in meters))
    return {
        meter.budget.id: balance.spent_nanousd / (meter.budget.limit_nanousd or 1)
        for meter, balance in zip(meters, balances, strict=True)
    }


Rows = Iterable[tuple[tuple[str, ...], float]]


class _Scrape(Collector):
    """One look at a worker."""

    def __init__(self, runtime: Runtime, budgets: Mapping[str, float]) -> None:
        self._runtime = runtime
        self._budgets = budgets
        self._worker = str(runtime.worker)

    def collect(self) -> Iterator[Metric]:
        yield from self._config()
        yield from self._requests()
        yield from self._upstream()
        yield from self._governance()
        yield from self._ledger()

    def _config(self) -> Iterator[Metric]:
        status = self._runtime.reloader.status
        succeeded_at = status.attempted_at if status.ok else status.loaded_at
        yield self._gauge(
            "omniroute_build_info", "The running version.", ("version",), [((__version__,), 1)]
        )
        yield self._gauge(
            "omniroute_config_info",
            "The configuration that is being served.",
            ("digest",),
            [((status.digest,), 1)],
        )
        yield self._gauge(
            "omniroute_config_last_reload_successful",
            "1 when the last attempt to load the configuration succeeded.",
            (),
            [((), int(status.ok))],
        )
        yield self._gauge(
            "omniroute_config_last_reload_success_timestamp_seconds",
            "When the configuration was last loaded well.",
            (),
            [((), succeeded_at.timestamp())],
        )
        yield self._counter(
            "omniroute_config_reloads",
            "Attempts to load the configuration again.",
            ("result",),
            [(("success",), status.succeeded), (("failure",), status.failed)],
        )

    def _requests(self) -> Iterator[Metric]:
        meters = self._runtime.meters
        yield self._counter(
            "omniroute_requests",
            "Requests answered, whatever the answer.",
            ("format", "provider", "model", "status", "kind"),
            meters.requests.items(),
        )
        yield self._counter(
            "omniroute_request_errors",
            "Requests that ended with an error, by its class.",
            ("class",),
            _single(meters.errors),
        )
        yield self._gauge(
            "omniroute_requests_in_flight",
            "Requests not yet answered to their end.",
            (),
            [((), self._runtime.in_flight)],
        )
        yield self._gauge(
            "omniroute_tasks",
            "Asyncio tasks that have not ended: connections, requests and background work.",
            (),
            [((), len(asyncio.all_tasks()))],
        )
        yield self._histogram(
            "omniroute_request_duration_seconds",
            "From arrival to the end of the answer.",
            ("format", "stream"),
            meters.durations.items(),
        )
        yield self._histogram(
            "omniroute_first_byte_seconds",
            "From arrival to the first byte of a provider's answer.",
            ("provider",),
            [((provider,), one) for provider, one in meters.first_bytes.items()],
        )
        yield self._histogram(
            "omniroute_overhead_seconds",
            "Time in the gateway itself before the first byte.",
            (),
            [((), meters.overhead)],
        )
        yield self._counter(
            "omniroute_tokens",
            "Tokens as providers reported them; reasoning is a part of output.",
            ("provider", "type"),
            meters.tokens.items(),
        )
        yield self._counter(
            "omniroute_cost_usd",
            "Cost of what has a known price.",
            ("provider",),
            [((provider,), nano / NANO) for provider, nano in meters.cost_nanousd.items()],
        )
        yield self._counter(
            "omniroute_cache_requests",
            "Requests that the answer cache was asked for.",
            ("outcome",),
            _single(meters.cache),
        )
        yield self._counter(
            "omniroute_cache_embedding_failures",
            "Questions that could not be looked up by meaning, by the class of the failure.",
            ("class",),
            _single(self._runtime.semantic.failures),
        )

    def _upstream(self) -> Iterator[Metric]:
        meters = self._runtime.meters
        yield self._counter(
            "omniroute_upstream_attempts",
            "Requests sent to providers.",
            ("provider",),
            _single(meters.attempts),
        )
        yield self._counter(
            "omniroute_upstream_failures",
            "Attempts that failed, by class.",
            ("provider", "class"),
            meters.failures.items(),
        )
        yield self._counter(
            "omniroute_upstream_frames_skipped",
            "Frames of streams that could not be read and were left out.",
            ("provider",),
            _single(meters.skipped),
        )
        states: dict[tuple[str, ...], int] = {}
        for key, health in self._runtime.live.models.items():
            provider, connection, _ = key.split("/", 2)
            labels = (provider, connection, state_of(health).lower())
            states[labels] = states.get(labels, 0) + 1
        yield self._counter(
            "omniroute_connection_changes",
            "Changes of a breaker's or a credential's state.",
            ("connection", "part", "state"),
            meters.changes.items(),
        )
        yield self._gauge(
            "omniroute_breakers",
            "Breakers of a connection's models in each state.",
            ("provider", "connection", "state"),
            states.items(),
        )

    def _governance(self) -> Iterator[Metric]:
        meters = self._runtime.meters
        yield self._counter(
            "omniroute_refused",
            "Requests refused by a key, address, policy, limit or budget.",
            ("by",),
            _single(meters.refused),
        )
        yield self._counter(
            "omniroute_budget_warnings",
            "Warning thresholds that spend has crossed.",
            ("budget", "threshold"),
            meters.warned.items(),
        )
        yield self._counter(
            "omniroute_budget_webhooks",
            "Calls of budget webhooks by result.",
            ("result",),
            _single(meters.hooks),
        )
        yield self._gauge(
            "omniroute_budget_spent_ratio",
            "Spent in the current period as a share of the limit.",
            ("budget",),
            _single(self._budgets),
        )
        yield self._gauge(
            "omniroute_state_available",
            "1 while the store of limits and budgets can be reached.",
            ("store",),
            [((self._runtime.store.name,), int(self._runtime.store.available))],
        )

    def _ledger(self) -> Iterator[Metric]:
        stats = self._runtime.spool.stats
        yield self._counter(
            "omniroute_ledger_appended", "Records written.", (), [((), stats.appended)]
        )
        yield self._counter(
            "omniroute_ledger_dropped",
            "Records lost because the disk was full or the spool at its limit.",
            (),
            [((), stats.dropped)],
        )
        yield self._counter(
            "omniroute_ledger_quarantined",
            "Lines of the spool that were no rows and are kept in quarantine/.",
            (),
            [((), self._runtime.quarantined)],
        )
        yield self._gauge(
            "omniroute_ledger_pending_bytes",
            "Size of the spool that waits to be drained, of all workers.",
            (),
            [((), stats.pending_bytes)],
        )

    def _counter(self, name: str, help: str, labels: tuple[str, ...], rows: Rows) -> Metric:
        family = CounterMetricFamily(name, help, labels=("worker", *labels))
        for values, count in rows:
            family.add_metric((self._worker, *values), count)
        return family

    def _gauge(self, name: str, help: str, labels: tuple[str, ...], rows: Rows) -> Metric:
        family = GaugeMetricFamily(name, help, labels=("worker", *labels))
        for values, value in rows:
            family.add_metric((self._worker, *values), value)
        return family

    def _histogram(
        self,
        name: str,
        help: str,
        labels: tuple[str, ...],
        rows: Iterable[tuple[tuple[str, ...], Histogram]],
    ) -> Metric:
        family = HistogramMetricFamily(name, help, labels=("worker", *labels))
        for values, histogram in rows:
            family.add_metric(
                (self._worker, *values), _cumulative(histogram), sum_value=histogram.total
            )
        return family


def _single(counts: Mapping[str, float]) -> Rows:
    return [((name,), count) for name, count in counts.items()]


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    count = 0
    for bound, here in zip((*histogram.bounds, None), histogram.counts, strict=True):
        count += here
        rows.append(("+Inf" if bound is None else f"{bound:g}", count))
    return rows
