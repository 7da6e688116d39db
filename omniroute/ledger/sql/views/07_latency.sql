CREATE OR REPLACE VIEW latency AS
SELECT
  CAST(time AS DATE) AS day,
  provider,
  model,
  stream,
  count(*) AS requests,
  quantile_cont(first_byte_ms, 0.50) AS first_byte_p50_ms,
  quantile_cont(first_byte_ms, 0.95) AS first_byte_p95_ms,
  quantile_cont(first_byte_ms, 0.99) AS first_byte_p99_ms,
  quantile_cont(total_ms, 0.50) AS total_p50_ms,
  quantile_cont(total_ms, 0.95) AS total_p95_ms,
  quantile_cont(total_ms, 0.99) AS total_p99_ms,
  quantile_cont(upstream_ms, 0.50) AS upstream_p50_ms,
  quantile_cont(upstream_ms, 0.95) AS upstream_p95_ms,
  quantile_cont(upstream_ms, 0.99) AS upstream_p99_ms,
  quantile_cont(overhead_ms, 0.50) AS overhead_p50_ms,
  quantile_cont(overhead_ms, 0.95) AS overhead_p95_ms,
  quantile_cont(overhead_ms, 0.99) AS overhead_p99_ms
FROM requests
WHERE status < 400 AND provider IS NOT NULL
GROUP BY ALL;

COMMENT ON VIEW latency IS 'Latency of answered requests per UTC day, provider, model and streaming.';
COMMENT ON COLUMN latency.day IS 'Day, UTC.';
COMMENT ON COLUMN latency.provider IS 'Provider.';
COMMENT ON COLUMN latency.model IS 'Model as the provider calls it.';
COMMENT ON COLUMN latency.stream IS 'Streamed requests apart from others.';
COMMENT ON COLUMN latency.requests IS 'Number of requests.';
COMMENT ON COLUMN latency.first_byte_p50_ms IS 'Milliseconds to the first byte of the answer''s body, 50 % are at or below.';
COMMENT ON COLUMN latency.first_byte_p95_ms IS 'Milliseconds to the first byte of the answer''s body, 95 % are at or below.';
COMMENT ON COLUMN latency.first_byte_p99_ms IS 'Milliseconds to the first byte of the answer''s body, 99 % are at or below.';
COMMENT ON COLUMN latency.total_p50_ms IS 'Milliseconds to the end of the answer, 50 % are at or below.';
COMMENT ON COLUMN latency.total_p95_ms IS 'Milliseconds to the end of the answer, 95 % are at or below.';
COMMENT ON COLUMN latency.total_p99_ms IS 'Milliseconds to the end of the answer, 99 % are at or below.';
COMMENT ON COLUMN latency.upstream_p50_ms IS 'Milliseconds of waiting for providers, 50 % are at or below.';
COMMENT ON COLUMN latency.upstream_p95_ms IS 'Milliseconds of waiting for providers, 95 % are at or below.';
COMMENT ON COLUMN latency.upstream_p99_ms IS 'Milliseconds of waiting for providers, 99 % are at or below.';
COMMENT ON COLUMN latency.overhead_p50_ms IS 'Milliseconds in the gateway itself before the first byte, 50 % are at or below.';
COMMENT ON COLUMN latency.overhead_p95_ms IS 'Milliseconds in the gateway itself before the first byte, 95 % are at or below.';
COMMENT ON COLUMN latency.overhead_p99_ms IS 'Milliseconds in the gateway itself before the first byte, 99 % are at or below.';
