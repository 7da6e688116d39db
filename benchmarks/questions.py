"""How long the documented questions take with years of rows behind them.

`python -m benchmarks.questions` makes a usage database with `--rows` rows over 400 days up to now
(in the folder `--keep` if one is given, where it is found again), then asks each question of
docs/usage-sql.md, each with a name, and what the API asks. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from omniroute.base.units import NANO
from omniroute.config.model import Budget
from omniroute.ledger.database import create_database, open_database
from omniroute.ledger.named import BY, budgets_sql, moment_sql, named_sql, usage_sql
from omniroute.ledger.paths import database_path
from omniroute.ledger.sandbox import open_sandbox

DAYS: Final = 400
_TIMES: Final = 2
_PORTION: Final = 250_000  # rows of one transaction
_MAKE_SQL: Final = Path(__file__).with_name("questions.sql").read_text()
_PAGE: Final = (Path(__file__).parents[1] / "docs" / "usage-sql.md").read_text()
_DOCUMENTED: Final = re.findall(
    r"^(\S[^\n]*?)\n(?:[^\n]+\n)*\n```sql\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL
)
_DEFAULTS: Final = {  # as `omniroute usage` has them
    "top": "7d",
    "errors": "24h",
    "latency": "24h",
    "cost": "30d",
    "cache": "7d",
    "focus": "30d",
    "commits": "30d",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="a folder for the database")
    options = parser.parse_args()
    with _folder(options.keep) as data_dir:
        path = database_path(data_dir)
        began = time.perf_counter()
        if not path.exists():
            create_database(path)
            with open_database(path, read_only=False) as connection:
                make(connection, options.rows)
        made_s = time.perf_counter() - began
        print(
            f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, "
            f"{os.cpu_count()} cores."
        )
        size = f"{path.stat().st_size / 1e6:,.0f} MB, made in {made_s:.0f} s"
        print(f"{options.rows:,} rows over {DAYS} days: {size}.\n")
        print("| question | seconds | of processors |\n|---|---:|---:|")
        for name, sql in questions():
            elapsed, used = _seconds(data_dir, sql)
            print(f"| {name} | {elapsed:.2f} | {used:.2f} |", flush=True)


def make(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Rows of a mixed life, evenly over DAYS up to now, each answered once or twice."""
    connection.execute("SET VARIABLE rows = ?", [rows])
    connection.execute("SET VARIABLE days = ?", [DAYS])
    for first in range(0, rows, _PORTION):
        connection.execute("SET VARIABLE first = ?", [first])
        connection.execute("SET VARIABLE last = ?", [min(first + _PORTION, rows)])
        connection.execute(_MAKE_SQL)


def questions() -> Iterator[tuple[str, str]]:
    """Each with a name for people."""
    for words, sql in _DOCUMENTED:
        yield words.partition("? ")[0].rstrip("?") + "?", sql
    for by in (*BY, "tag:team"):
        yield f"`usage --by {by}`", usage_sql(by, moment_sql("today"))
        yield f"`usage --by {by} --since {DAYS}d`", usage_sql(by, moment_sql(f"{DAYS}d"))
    for name, since in _DEFAULTS.items():
        yield f"`usage {name}`", named_sql(name, since=moment_sql(since))
        yield f"`usage {name} --since {DAYS}d`", named_sql(name, since=moment_sql(f"{DAYS}d"))
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    budgets = [
        (Budget(id=f"b{n}", scope=("tag", "team", f"team-{n}"), limit_nanousd=NANO), month)
        for n in range(10)
    ]
    yield "`usage budgets`, ten of them", budgets_sql(budgets)
    yield "`keys list`", named_sql("keys", since=moment_sql("30d"))
    for since in ("24h", "30d", f"{DAYS}d"):
        where = f"time >= {moment_sql(since)}"
        yield f"`/api/usage/history`, {since}", named_sql("history", where=where)
        yield f"`/api/usage/logs`, {since}, a page", named_sql("log", where=where, most="51")
        yield f"`/api/telemetry/summary`, {since}", named_sql("telemetry", where=where)
    for view in ("daily_usage", "by_model", "by_key", "errors", "latency"):
        yield f"all of `{view}`", f"FROM {view}"


def _seconds(data_dir: Path, sql: str) -> tuple[float, float]:
    """The least of a few, with opening the file as a command does: elapsed, and of processors."""
    times: list[tuple[float, float]] = []
    for _ in range(_TIMES):
        began, used = time.perf_counter(), time.process_time()
        with open_sandbox(data_dir, patience_s=5) as connection:
            connection.execute(sql).fetchall()
        times.append((time.perf_counter() - began, time.process_time() - used))
    return min(times)


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name:
        yield Path(name)


if __name__ == "__main__":
    main()
