"""Files to a checked configuration and compiled tables: what `check`, `serve` and reloads share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from omniroute.active.shelf import shelf
from omniroute.active.tables import read_tables, shipped_formats, user_folder
from omniroute.catalog.presets import CATALOG, is_priced, load_presets
from omniroute.config.check import Checked, check
from omniroute.config.diagnostics import Diagnostic
from omniroute.config.loader import Reader
from omniroute.errors import TableError
from omniroute.translation.program import ProgramShelf
from omniroute.translation.values import Formats


class Inspected(Struct, frozen=True, kw_only=True):
    """`checked` holds what is wrong with the tables, too; `formats` is None when something is."""

    checked: Checked
    formats: Formats | None
    tables: Mapping[str, str]


def inspect(
    files: tuple[str, ...], reader: Reader, *, tables: Mapping[str, str] | None = None
) -> Inspected:
    """Check `files` and `tables`, or else the tables beside the first of the files. Blocks.

    Raises ConfigError when a table cannot be read.
    """
    kept = shelf() if tables is None else None
    if tables is None:
        tables = read_tables(*((user_folder(files),) if files else ()))
    formats, problems = _compile(tuple(tables.items()), kept)
    checked = _check(files, reader, None if formats is None else formats.names())
    if problems:
        checked = replace(
            checked,
            config=None,
            diagnostics=(*checked.diagnostics, *problems),
            sources={**checked.sources, **tables},
        )
    return Inspected(checked=checked, formats=formats, tables=tables)


def check_only(files: tuple[str, ...], reader: Reader) -> Checked:
    """As `inspect`, where nothing is to be served: the shipped tables are known to be good.

    They are compiled when there are others beside them, which may be wrong or collide with them.
    """
    shipped = shipped_formats()
    tables = read_tables(*((user_folder(files),) if files else ()))
    if len(tables) > len(shipped):
        return inspect(files, reader).checked
    return _check(files, reader, shipped)


def _check(files: tuple[str, ...], reader: Reader, formats: Collection[str] | None) -> Checked:
    return check(
        files,
        reader=reader,
        presets=load_presets(),
        catalog=CATALOG,
        formats=formats,
        priced=is_priced,
        now=datetime.now(UTC),
    )


@lru_cache(maxsize=2)
def _compile(
    tables: tuple[tuple[str, str], ...], kept: ProgramShelf | None
) -> tuple[Formats | None, tuple[Diagnostic, ...]]:
    """Compiling takes half a second; a reload seldom changes a table."""
    from omniroute.translation.registry import load_formats  # `check_only` does without

    try:
        return load_formats(dict(tables), kept), ()
    except TableError as error:
        found = [item for item in error.diagnostics if isinstance(item, Diagnostic)]
        return None, tuple(found)
