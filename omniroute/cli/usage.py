"""`omniroute usage`: the questions that have a name, asked of the usage database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from omniroute.admission.budget import period_of
from omniroute.cli.options import load_config
from omniroute.cli.reading import Format, data_folder, ledger_options, write_answer
from omniroute.errors import UsageError
from omniroute.ledger.named import BY, budgets_sql, moment_sql, named_sql, usage_sql

F = TypeVar("F", bound=Callable[..., Any])


def _asking(command: F) -> F:
    """What all of them take, beside where the data is."""
    options = (
        click.option("--csv", "form", flag_value="csv", help="Write CSV."),
        click.option("--json", "form", flag_value="json", help="Write JSON."),
        click.option("--sql", "only_sql", is_flag=True, help="Print the question instead."),
    )
    for option in reversed(options):
        command = option(command)
    return ledger_options(command)


def _since(default: str) -> Callable[[F], F]:
    return click.option(
        "--since",
        default=default,
        show_default=True,
        metavar="MOMENT",
        help="today, a time span (24h, 7d), a day or an instant, in UTC.",
    )


@click.group("usage", invoke_without_command=True)
@click.option(
    "--by",
    default="model",
    show_default=True,
    metavar="WHAT",
    help=f"One of {', '.join(BY)}; tag:team stands for the values of one tag.",
)
@_since("today")
@_asking
@click.pass_context
def usage_group(
    ctx: click.Context, *, by: str, since: str, form: Format | None, only_sql: bool, **place: Any
) -> None:
    """Show what was used and what it cost, today unless --since says otherwise.

    \b
      omniroute usage --by key --since 7d
      omniroute usage --by tag:team --since 2026-11-01 --csv
      omniroute usage --by commit --sql

    Each question is SQL over the documented views: --sql prints it, for `omniroute sql` or any
    other DuckDB client. It may be asked while the server runs.
    """
    if ctx.invoked_subcommand is None:
        _ask(lambda: usage_sql(by, moment_sql(since)), form, only_sql=only_sql, **place)


def _question(name: str, since: str, summary: str) -> None:
    """A subcommand for a file that asks since when, and nothing else."""

    @usage_group.command(name, help=summary)
    @_since(since)
    @_asking
    def _(*, since: str, form: Format | None, only_sql: bool, **place: Any) -> None:
        _ask(lambda: named_sql(name, since=moment_sql(since)), form, only_sql=only_sql, **place)


_QUESTIONS: Final = (
    ("top", "7d", "Show who spends most, and on what, with the dearest request of each."),
    (
        "errors",
        "24h",
        "Show what failed or was refused, by which rule, and what clients were told.",
    ),
    ("latency", "24h", "Show how long answers take: the gateway's part, the provider's, in all."),
    ("cost", "30d", "Show what each UTC day cost."),
    ("cache", "7d", "Show what providers' caches and the gateway's own gave."),
    (
        "focus",
        "30d",
        "Write cost in the columns of FOCUS 1.2, for FinOps tools; mostly with --csv.",
    ),
    ("commits", "30d", "Show what each configuration did to errors, latency and cost."),
)
for _item in _QUESTIONS:
    _question(*_item)


@usage_group.command("budgets")
@_asking
def usage_budgets(
    *, config: tuple[str, ...], form: Format | None, only_sql: bool, **place: Any
) -> None:
    """Show how near each budget is to its limit in its current period.

    What requests that still run have reserved is not in it: GET /api/usage/budget has that.
    """
    now = datetime.now(UTC)
    budgets = load_config(config).budgets.values()
    if not budgets:
        raise UsageError("the configuration declares no budget")
    rows = [
        (budget, datetime.fromtimestamp(period_of(budget, now).start_s, UTC)) for budget in budgets
    ]
    _ask(lambda: budgets_sql(rows), form, only_sql=only_sql, config=config, **place)


def _ask(
    question: Callable[[], str],
    form: Format | None,
    *,
    only_sql: bool,
    config: tuple[str, ...],
    data_dir: str | None,
    patience_s: float,
) -> None:
    try:
        statement = question()
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    if only_sql:
        click.echo(statement, nl=False)
        return
    folder = data_folder(config, data_dir)
    write_answer(folder, statement, form or "table", patience_s=patience_s)
