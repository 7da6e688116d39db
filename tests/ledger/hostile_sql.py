"""Statements of somebody who wants more than rows. `{dir}` is a folder of the test."""

from __future__ import annotations

from pathlib import Path
from typing import Final


def in_place(sql: str, folder: Path) -> str:
    return sql.replace("{dir}", str(folder))


_WRITES: Final = (
    "DROP VIEW requests",
    "DROP TABLE raw.requests",
    "DROP SCHEMA raw CASCADE",
    "DELETE FROM raw.requests",
    "TRUNCATE raw.requests",
    "UPDATE raw.requests SET cost_nanousd = 0 RETURNING *",
    "INSERT INTO raw.requests SELECT * FROM raw.requests",
    "MERGE INTO raw.requests USING raw.requests AS s ON false WHEN MATCHED THEN DELETE",
    "ALTER TABLE raw.requests ADD COLUMN x INTEGER",
    "CREATE TABLE t (a INTEGER)",
    "CREATE TEMP TABLE t (a INTEGER)",
    "CREATE OR REPLACE VIEW requests AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "CREATE SECRET s (TYPE http)",
    "CREATE SEQUENCE s",
    "COMMENT ON TABLE raw.requests IS 'mine'",
    "SELECT 1; DROP TABLE raw.requests",
    "WITH gone AS (DELETE FROM raw.requests RETURNING 1) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM raw.requests",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "CALL force_checkpoint()",
    "BEGIN",
    "COMMIT",
    "PREPARE p AS DELETE FROM raw.requests",
    "EXECUTE p",
    "DEALLOCATE p",
)
_FILES: Final = (
    "COPY requests TO '{dir}/leak.csv'",
    "COPY (SELECT 1) TO '{dir}/leak.parquet' (FORMAT parquet)",
    "COPY (SELECT 1) TO '/dev/stderr'",
    "COPY raw.requests FROM '/etc/passwd'",
    "COPY FROM DATABASE usage TO memory",
    "EXPLAIN ANALYZE COPY requests TO '{dir}/leak.csv'",
    "SELECT * FROM query('COPY requests TO ''{dir}/leak.csv''')",
    "EXPORT DATABASE '{dir}/leak'",
    "IMPORT DATABASE '{dir}/leak'",
    "ATTACH '{dir}/other.db'",
    "ATTACH ':memory:' AS m",
    "ATTACH 'https://127.0.0.1:1/x.db'",
    "DETACH usage",
    "USE memory",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/proc/self/environ')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_json_objects('/etc/passwd')",
    "SELECT * FROM read_ndjson('{dir}/spool/*.jsonl')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM '/etc/passwd.csv'",
    "SELECT * FROM 'https://127.0.0.1:1/x.parquet'",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM read_duckdb('usage.duckdb')",
    "SELECT (SELECT content FROM read_text('/etc/passwd')) FROM requests",
)
_PROGRAM: Final = (
    "INSTALL httpfs",
    "INSTALL httpfs FROM 'http://127.0.0.1:1'",
    "FORCE INSTALL httpfs FROM community",
    "LOAD httpfs",
    "LOAD '{dir}/evil.duckdb_extension'",
    "UPDATE EXTENSIONS",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET allowed_directories = ['/']",
    "SET memory_limit = '1TB'",
    "SET threads = 64",
    "SET temp_directory = '{dir}/spill'",
    "SET log_query_path = '{dir}/log'",
    "RESET memory_limit",
    "PRAGMA memory_limit = '1TB'",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '{dir}/profile'",
    "PRAGMA force_checkpoint",
    "CALL enable_logging()",
    "SELECT getenv('HOME')",
    "SELECT * FROM sql",
    "SELECT * FROM data_dir",
    "SELECT \ud800",
    "SELEC 1",
    "SELECT * FROM no_such_table",
)
REFUSED: Final = (*_WRITES, *_FILES, *_PROGRAM)
"""To everybody, the folder's owner included."""

REFUSED_TO_CLIENTS: Final = (
    "",
    ";",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "EXPLAIN ANALYZE SELECT 1",
    "PIVOT requests ON key USING count(*)",
    "PRAGMA database_list",
    "SELECT * FROM duckdb_secrets()",
    'SELECT path FROM "duckdb_databases"()',
    "FROM pragma_database_list",
    "SELECT value FROM DuckDB_Settings()",
    "SELECT current_setting('temp_directory')",
    "SELECT list(a.range * b.range) FROM range(1000000) a, range(1000) b",
)
"""Over HTTP: these tell of the machine, are no single query, or need more memory than there is."""

GREEDY: Final = (
    "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
    "SELECT length(repeat(repeat('x', 1000000), 1000000))",
    "SELECT list_sum(list_transform(range(100000000), x -> x * x))",
    "SELECT count(DISTINCT random()) FROM range(100000000)",
    "SELECT random() AS r FROM range(100000000) ORDER BY r",
    "SELECT string_agg(range::VARCHAR, ',') FROM range(1000000000)",
    "SELECT * FROM range(1000000000000)",
    "SELECT regexp_matches(repeat('a', 100000) || '!', '^(a+)+$') FROM range(1000000)",
    "SELECT max(md5(range::VARCHAR)) FROM range(10000000000)",
    "SELECT histogram(random()) FROM range(100000000)",
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
)
"""Single queries that would take all time, memory or rows there are."""
