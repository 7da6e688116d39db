"""`omniroute sql`: questions to the usage database, while the server runs or not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, cast

import click

from omniroute.cli.reading import Format, data_folder, ledger_options, write_answer
from omniroute.errors import UsageError
from omniroute.ledger.queries import COLUMNS_SQL

KEY_ENV: Final = "OMNIROUTE_API_KEY"
_FORMATS: Final = ("table", "csv", "json", "parquet", "markdown")
_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".md": "markdown",
}


@click.command("sql")
@click.argument("sql", required=False)
@ledger_options
@click.option(
    "-f",
    "--file",
    "script",
    type=click.Path(allow_dash=True, dir_okay=False),
    help="Read the SQL from a file; - is standard input.",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), help="[default: table]")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write to a file; its ending chooses the format.",
)
@click.option(
    "--url", help="Ask a running server over HTTP instead, at the address of its management API."
)
@click.option(
    "--key",
    metavar="env:NAME|file:PATH",
    help=f"Where the key for --url is, one with the role viewer. [default: env:{KEY_ENV}]",
)
@click.option("--columns", is_flag=True, help="Show the views, their columns and units instead.")
def sql_command(
    sql: str | None,
    config: tuple[str, ...],
    script: str | None,
    form: str | None,
    output: str | None,
    data_dir: str | None,
    patience_s: float,
    url: str | None,
    key: str | None,
    *,
    columns: bool,
) -> None:
    """Ask the usage database a question in SQL.

    \b
      omniroute sql "SELECT model, sum(cost_usd) FROM requests GROUP BY 1"
      omniroute sql "FROM daily_usage WHERE day = current_date" --format csv
      omniroute sql -f report.sql -o report.parquet
      omniroute sql --url https://gateway.example.com "FROM by_model"

    Reads only: statements that change, load or fetch anything are refused. A request that was just
    answered is there; the server may be running. Times are UTC. With --url the answer is the
    server's, of one SELECT and of at most 10,000 rows.
    """
    statement = COLUMNS_SQL if columns else _statement(sql, script)
    chosen = cast("Format | None", form) or _format_of(output)
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("parquet is no text: give -o FILE, or send the output into a file")
    if url is not None:
        from omniroute.cli.remote import read_key, write_remote  # its client for who asks over HTTP

        if chosen == "parquet":
            raise UsageError("parquet is made where the data is; with --url take csv or json")
        write_remote(url, read_key(key, default_env=KEY_ENV), statement, chosen, output)
        return
    folder = data_folder(config, data_dir)
    write_answer(folder, statement, chosen, output, patience_s=patience_s)


def _statement(sql: str | None, script: str | None) -> str:
    if (sql is None) == (script is None):
        if sql is not None or sys.stdin.isatty():
            raise UsageError(
                'give one query, as text or with -f FILE: omniroute sql "FROM by_model"; '
                "`omniroute sql --columns` shows what there is"
            )
        script = "-"
    if sql is not None:
        return sql
    try:
        with click.open_file(script or "-", encoding="utf-8") as file:
            return file.read()
    except OSError as exc:
        raise UsageError(f"cannot read {script}: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise UsageError(f"{script} is not UTF-8") from None


def _format_of(output: str | None) -> Format:
    """What the file's ending asks for; UsageError for an ending that says nothing."""
    if output is None:
        return "table"
    chosen = _SUFFIXES.get(Path(output).suffix.lower())
    if chosen is None:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"{output}: no format ends like that ({known} do); or give --format")
    return chosen
