"""How fast rows reach the usage database, and what that takes from the process that serves.

`python -m benchmarks.ledger`: as many rows as a server would have spooled, brought in as a server
does it. Prints Markdown.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from omniroute.ledger.paths import database_path
from omniroute.ledger.record import AttemptRecord, RequestRecord
from omniroute.ledger.spool import Spool
from omniroute.ledger.writer import LedgerWriter

_BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
_ROW = RequestRecord(
    request_id="",
    time=_BEGAN,
    path="/v1/chat/completions",
    client_format="openai-chat",
    status=200,
    total_ms=812.5,
    config_digest="3f2a9c",
    key="ci",
    tags={"team": "platform"},
    session="0d3c",
    client_ip="10.1.2.3",
    requested_model="smart",
    provider="openai",
    connection="main",
    upstream_model="gpt-5",
    input_uncached=1000,
    cache_read=200,
    cache_write=0,
    output=300,
    reasoning=100,
    cost_nanousd=4_275_000,
    price_source="catalog",
    first_byte_ms=120.0,
    upstream_ms=800.0,
    overhead_ms=1.5,
    user_agent="claude-cli/2.1.0 (external, cli)",
    attempts=(
        AttemptRecord(
            n=1,
            provider="openai",
            connection="main",
            model="gpt-5",
            started=_BEGAN,
            total_ms=800.0,
            first_byte_ms=118.0,
            status=200,
        ),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name:
        print(_drained(Path(name), rows))


def _drained(data_dir: Path, rows: int) -> str:
    with Spool(data_dir) as spool:
        for number in range(rows):
            at = _BEGAN + timedelta(milliseconds=50 * number)
            spool.append(msgspec.structs.replace(_ROW, request_id=f"req_{number:024x}", time=at))
    writer = LedgerWriter(data_dir)
    began, own = time.perf_counter(), time.process_time()
    drained = writer.drain_all(patience_s=5)
    took, own = time.perf_counter() - began, time.process_time() - own
    writer.finish(patience_s=5)
    other = resource.getrusage(resource.RUSAGE_CHILDREN)
    beside = other.ru_utime + other.ru_stime
    size = database_path(data_dir).stat().st_size
    lines = (
        ("rows", f"{drained.rows:,}"),
        ("rows a second", f"{drained.rows / took:,.0f}"),
        ("rows per second of processor time, in a process of its own", f"{rows / beside:,.0f}"),
        ("CPU µs a row in the serving process", f"{own / rows * 1e6:.2f}"),
        ("memory of the process that drains, MiB", f"{other.ru_maxrss / 1024:.0f}"),
        ("bytes of the database a row", f"{size / rows:.0f}"),
    )
    return "\n".join(("| | |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in lines)))


if __name__ == "__main__":
    main()
