"""The command line's tables: rows as aligned text, CSV, JSON or Markdown, and for terminals.

What lays tables out for a terminal is loaded when one is written there."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from omniroute.ledger.rendering import Rows, csv_lines, exact, json_object

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

TextFormat = Literal["table", "csv", "json", "markdown"]

_NUMERIC: Final = ("INT", "DECIMAL", "DOUBLE", "FLOAT")
_NULL: Final = "NULL"
_GAP: Final = "  "
_MIN_COLUMN_CHARS: Final = 8


def render_rows(
    columns: Sequence[str], types: Sequence[str], rows: Rows, form: TextFormat
) -> Iterator[str]:
    """Pieces of text as the rows come; only `table` needs all of them first."""
    match form:
        case "csv":
            return csv_lines(columns, rows)
        case "json":
            return _json(columns, rows)
        case "markdown":
            return _markdown(columns, types, rows)
        case "table":
            return _plain(columns, types, rows)


def aligned(rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Rows of equal length as lines; what is wider than `width` folds inside its columns.

    None is for pipes and files: every row is one line there.
    """
    if not rows:
        return ""
    text = "".join(_padded(rows, [False] * len(rows[0])))
    if width is None or max(map(len, text.splitlines())) <= width:
        return text
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=io.StringIO(), width=width, color_system=None)
    grid = Table.grid(padding=(0, len(_GAP)))
    for _ in rows[0]:
        grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    with console.capture() as capture:
        console.print(grid)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def window() -> int | None:
    """The terminal's width in characters; None when standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(console: Console, columns: Sequence[str], types: Sequence[str], rows: Rows) -> None:
    """For a terminal: colours, and cells that fold instead of running out of the window.

    More columns than the window has room for stand one below the other, row by row.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    count = 0
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    wide = len(columns) * _MIN_COLUMN_CHARS > console.width
    for name, type_ in zip(columns, types, strict=True):
        justify = "right" if _is_numeric(type_) else "left"
        table.add_column(Text(printable(name)), justify=justify, overflow="fold")
    for count, row in enumerate(rows, start=1):
        cells = [
            Text(_NULL, style="dim") if value is None else Text(printable(_short(value)))
            for value in row
        ]
        if wide:
            console.rule(Text(f"row {count}"), align="left", style="dim")
            console.print(_upright(columns, cells))
        else:
            table.add_row(*cells)
    if not wide:
        console.print(table)
    console.print(f"{count} {'row' if count == 1 else 'rows'}", style="dim", highlight=False)


def _upright(columns: Sequence[str], cells: Sequence[Text]) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, cell in zip(columns, cells, strict=True):
        grid.add_row(Text(printable(name)), cell)
    return grid


def _plain(columns: Sequence[str], types: Sequence[str], rows: Rows) -> Iterator[str]:
    cells = [
        [_NULL if value is None else printable(_short(value)) for value in row] for row in rows
    ]
    header = [printable(name) for name in columns]
    return _padded([header, *cells], [_is_numeric(type_) for type_ in types])


def _padded(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        yield _GAP.join(padded).rstrip() + "\n"


def _json(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    before = "[\n"
    for row in rows:
        yield before + json_object(columns, row)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _markdown(columns: Sequence[str], types: Sequence[str], rows: Rows) -> Iterator[str]:
    def line(cells: Iterable[str]) -> str:
        escaped = (cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(escaped)} |\n"

    yield line(printable(name) for name in columns)
    yield f"|{'|'.join('---:' if _is_numeric(type_) else '---' for type_ in types)}|\n"
    for row in rows:
        yield line("" if value is None else printable(_short(value)) for value in row)


def _is_numeric(type_: str) -> bool:
    return "[" not in type_ and any(word in type_ for word in _NUMERIC) and type_ != "INTERVAL"


def _short(value: Any) -> str:
    """For eyes: three decimals of a measured number are enough."""
    if isinstance(value, float) and abs(value) >= 0.001:
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return exact(value)


def printable(text: str) -> str:
    """What clients put into rows must not steer a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
