"""The report takes ratios within each round, and leaves open what was not measured."""

from __future__ import annotations

from benchmarks.report import Sample, render_report
from benchmarks.starts import Starts
from benchmarks.works import WORKS

STARTS = Starts(first_answer_s=0.7, rss_mib=80, check_s=0.25, help_s=0.1)


def sample(per_s: float, *, cpu_us: float, p50_ms: float) -> Sample:
    return Sample(
        requests=100,
        per_s=per_s,
        p50_ms=p50_ms,
        p99_ms=9,
        first_byte_p50_ms=0,
        events_per_s=0,
        cpu_us=cpu_us,
        rss_mib=50,
        generator_busy=0.3,
        errors=0,
    )


def test_ratios_are_of_the_same_round() -> None:
    rounds = {
        "direct": [sample(9000, cpu_us=1, p50_ms=0.5), sample(900, cpu_us=1, p50_ms=5)],
        "sanic": [sample(1000, cpu_us=50, p50_ms=1), sample(100, cpu_us=500, p50_ms=10)],
        "omniroute": [sample(500, cpu_us=100, p50_ms=2.5), sample(50, cpu_us=1000, p50_ms=7)],
    }
    lines = render_report([(WORKS[0], rounds)], STARTS, facts=["quiet"]).splitlines()
    ratio = "| plain: omniroute | 0.50 (0.50 to 0.50) | 2.00 (2.00 to 2.00) |  | 2.00 |"
    assert ratio in lines
    assert "| 0.70 | 80 | 0.25 | 0.10 |" in lines
    assert "- quiet" in lines
