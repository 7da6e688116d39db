"""Databases of earlier versions, each as the SQL that makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

import duckdb

from omniroute.ledger import database

_FOLDER: Final = Path(__file__).parent
_SCHEMA: Final = Path(database.__file__).parent / "sql" / "schema"
_VIEWS: Final = """
SELECT sql FROM duckdb_views() WHERE NOT internal
ORDER BY view_name NOT IN ('requests', 'attempts'), view_name  -- others are made of these
"""
_COMMENTS: Final = """
SELECT 'VIEW ' || view_name, comment FROM duckdb_views() WHERE comment IS NOT NULL
UNION ALL
SELECT format('COLUMN {}."{}"', table_name, column_name), comment
FROM duckdb_columns() WHERE comment IS NOT NULL
ORDER BY ALL
"""
LAYOUTS: Final = {file.stem: file for file in sorted(_FOLDER.glob("*.sql"))}


def steps() -> list[str]:
    """The steps of today's schema, in order."""
    return sorted(file.stem for file in _SCHEMA.glob("*.sql"))


def record(name: str, path: Path) -> None:
    """Write that database as SQL: its tables with their rows, then its views, commented."""
    with duckdb.connect(str(path), read_only=True) as connection:
        lines = ["CREATE SCHEMA raw;"]
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name, sql FROM duckdb_tables() ORDER BY table_oid"
        ).fetchall()
        lines += [sql for _, sql in tables]
        for table, _ in tables:
            for values in connection.execute(f"FROM {table}").fetchall():
                row = ", ".join(map(_literal, values))
                lines.append(f"INSERT INTO {table} VALUES ({row});")  # noqa: S608 - our own
        lines += [sql for (sql,) in connection.execute(_VIEWS).fetchall()]
        for target, comment in connection.execute(_COMMENTS).fetchall():
            lines.append(f"COMMENT ON {target} IS {_literal(comment)};")
    (_FOLDER / f"{name}.sql").write_text("\n".join(lines) + "\n")


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return f"MAP {{{', '.join(f'{_literal(key)}: {_literal(item)}' for key, item in pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, cast('list[Any]', value)))}]"
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
