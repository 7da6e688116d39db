-- The tables that the drainer writes. Queries go through the views, whose columns are the public
-- ones. No index: it would make every insert slower and every opening longer, and the time order of
-- the rows lets DuckDB skip what a time filter excludes.
CREATE TABLE raw.spool_offsets (
  segment VARCHAR NOT NULL,
  drained_bytes BIGINT NOT NULL
);

CREATE TABLE raw.requests (
  request_id VARCHAR NOT NULL,
  time TIMESTAMP NOT NULL,
  path VARCHAR NOT NULL,
  client_format VARCHAR NOT NULL,
  status INTEGER NOT NULL,
  total_ms DOUBLE NOT NULL,
  config_digest VARCHAR NOT NULL,
  key VARCHAR,
  tags MAP(VARCHAR, VARCHAR) NOT NULL,
  session VARCHAR,
  client_ip VARCHAR,
  kind VARCHAR NOT NULL,
  stream BOOLEAN NOT NULL,
  requested_model VARCHAR,
  provider VARCHAR,
  connection VARCHAR,
  upstream_model VARCHAR,
  error_class VARCHAR,
  error_message VARCHAR,
  input_uncached BIGINT,
  cache_read BIGINT,
  cache_write BIGINT,
  output BIGINT,
  reasoning BIGINT,
  usage_estimated BOOLEAN NOT NULL,
  cost_nanousd BIGINT,
  price_source VARCHAR,
  first_byte_ms DOUBLE,
  upstream_ms DOUBLE,
  overhead_ms DOUBLE,
  cache VARCHAR NOT NULL,
  decided_by VARCHAR,
  fallback_reason VARCHAR,
  dropped VARCHAR[] NOT NULL,
  bytes_in BIGINT NOT NULL,
  bytes_out BIGINT NOT NULL,
  attempt_count INTEGER NOT NULL
);

CREATE TABLE raw.attempts (
  request_id VARCHAR NOT NULL,
  time TIMESTAMP NOT NULL,
  n INTEGER NOT NULL,
  provider VARCHAR NOT NULL,
  connection VARCHAR NOT NULL,
  model VARCHAR NOT NULL,
  started TIMESTAMP NOT NULL,
  total_ms DOUBLE NOT NULL,
  first_byte_ms DOUBLE,
  status INTEGER,
  error_class VARCHAR,
  reason VARCHAR
);
