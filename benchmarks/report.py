"""Rounds of figures to the Markdown that people read: medians, spread, and ratios by round."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.starts import Starts
from benchmarks.works import OURS, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One subject in one round. `cpu_us` is the server's processor time per request."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    first_byte_p50_ms: float
    events_per_s: float
    cpu_us: float
    rss_mib: float
    generator_busy: float
    errors: int


Rounds = Mapping[str, Sequence[Sample]]
"""Subject to its samples, in the order of the rounds."""


def render_report(
    found: Sequence[tuple[Work, Rounds]], starts: Starts, *, facts: Sequence[str]
) -> str:
    lines = ["# Benchmark results", "", *(f"- {fact}" for fact in facts)]
    lines += ["", "## Ratios", "", *_ratios(found)]
    lines += ["", "## Starts", "", *_starts(starts)]
    for work, rounds in found:
        lines += ["", f"## {work.title}", "", *_table(rounds, stream=work.stream)]
    return "\n".join(lines) + "\n"


def _starts(starts: Starts) -> list[str]:
    return [
        "| first answer s | RSS MiB then | `omniroute check` s | `omniroute --help` s |",
        "|---:|---:|---:|---:|",
        f"| {starts.first_answer_s:.2f} | {starts.rss_mib:.0f} | {starts.check_s:.2f} "
        f"| {starts.help_s:.2f} |",
    ]


def _table(rounds: Rounds, *, stream: bool) -> list[str]:
    heads = ["", "req/s", "p50 ms", "p99 ms", "CPU µs/req", "RSS MiB", "generator busy", "errors"]
    if stream:
        heads[2:2] = ["chunks/s", "first chunk p50 ms"]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, samples in rounds.items():
        row = [
            name,
            _spread([s.per_s for s in samples], 0),
            _mid([s.p50_ms for s in samples], 2),
            _mid([s.p99_ms for s in samples], 2),
            _mid([s.cpu_us for s in samples], 0),
            _mid([s.rss_mib for s in samples], 0),
            f"{median(s.generator_busy for s in samples):.0%}",
            str(sum(s.errors for s in samples)),
        ]
        if stream:
            row[2:2] = [
                _mid([s.events_per_s for s in samples], 0),
                _mid([s.first_byte_p50_ms for s in samples], 2),
            ]
        rows.append(row)
    return ["| " + " | ".join(row) + " |" for row in rows]


def _ratios(found: Sequence[tuple[Work, Rounds]]) -> list[str]:
    """Of each of ours in each work; in streams the chunks are what is counted."""
    lines = [
        "| | of sanic's req/s | of sanic's CPU | of nginx's req/s | p50 over direct, ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for work, rounds in found:
        for ours in (name for name in OURS if name in rounds):
            cells = [
                _ratio(rounds, ours, "sanic", "per_s"),
                _ratio(rounds, ours, "sanic", "cpu_us"),
                _ratio(rounds, ours, "nginx", "per_s"),
                _over(rounds, ours, "direct"),
            ]
            lines.append(f"| {work.id}: {ours} | " + " | ".join(cells) + " |")
    return lines


def _ratio(rounds: Rounds, ours: str, other: str, field: str) -> str:
    if other not in rounds:
        return ""
    # Within one round both subjects met the same machine, so the ratio is taken there first.
    pairs = zip(rounds[ours], rounds[other], strict=True)
    ratios = [getattr(mine, field) / (getattr(theirs, field) or 1e-9) for mine, theirs in pairs]
    return _spread(ratios, 2)


def _over(rounds: Rounds, ours: str, other: str) -> str:
    if other not in rounds:
        return ""
    pairs = zip(rounds[ours], rounds[other], strict=True)
    return _mid([mine.p50_ms - theirs.p50_ms for mine, theirs in pairs], 2)


def _spread(values: Sequence[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{median(values):,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def _mid(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f}"


def describe_machine(*, pinned: bool) -> list[str]:
    """What a reader needs to compare, and nothing that names a machine."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("sanic", "httptools", "uvloop")
    )
    where = "servers on one core, generator and provider on another" if pinned else "not pinned"
    return [
        f"{cpu}, {os.cpu_count()} cores, {platform.system()}; {where}",
        f"Python {platform.python_version()}, {versions}",
    ]
