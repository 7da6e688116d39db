"""Files to a checked configuration and compiled tables: what `check`, `serve` and reloads share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from omniroute.catalog.presets import load_presets
from omniroute.config.check import Checked, check
from omniroute.config.diagnostics import Diagnostic
from omniroute.config.loader import Reader
from omniroute.errors import TableError
from omniroute.gateway.tables import read_tables, user_folder
from omniroute.translation.registry import load_formats
from omniroute.translation.values import Formats


class Inspected(Struct, frozen=True, kw_only=True):
    """`checked` holds what is wrong with the tables, too; `formats` is None when something is."""

    checked: Checked
    formats: Formats | None
    tables: Mapping[str, str]


def inspect(
    files: tuple[str, ...], reader: Reader, *, before: Inspected | None = None
) -> Inspected:
    """Check `files` and the tables beside the first of them. Blocks.

    `before` is what was found last: tables that have not changed are not compiled again. Raises
    ConfigError when a table cannot be read.
    """
    tables = read_tables(*((user_folder(files),) if files else ()))
    problems: tuple[Diagnostic, ...] = ()
    formats = before.formats if before is not None and before.tables == tables else None
    if formats is None:
        formats, problems = _compile(tables)
    checked = check(
        files,
        reader=reader,
        presets=load_presets(),
        formats=None if formats is None else formats.names(),
        now=datetime.now(UTC),
    )
    if problems:
        checked = replace(
            checked,
            config=None,
            diagnostics=(*checked.diagnostics, *problems),
            sources={**checked.sources, **tables},
        )
    return Inspected(checked=checked, formats=formats, tables=tables)


def _compile(tables: Mapping[str, str]) -> tuple[Formats | None, tuple[Diagnostic, ...]]:
    try:
        return load_formats(tables), ()
    except TableError as error:
        found = [item for item in error.diagnostics if isinstance(item, Diagnostic)]
        return None, tuple(found)
