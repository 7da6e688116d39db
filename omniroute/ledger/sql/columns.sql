SELECT table_name AS view, column_name AS column, data_type AS type, comment AS meaning
FROM duckdb_columns()
WHERE schema_name = 'main' AND database_name = 'usage' AND NOT internal
ORDER BY table_name = 'requests' DESC, table_name, column_index;
