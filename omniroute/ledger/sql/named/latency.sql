-- How long answers take: in the gateway, at the provider, and to the first byte.
SELECT
  provider,
  model,
  stream,
  count(*) AS requests,
  round(quantile_cont(first_byte_ms, 0.5), 1) AS first_byte_p50_ms,
  round(quantile_cont(first_byte_ms, 0.95), 1) AS first_byte_p95_ms,
  round(quantile_cont(total_ms, 0.5), 1) AS total_p50_ms,
  round(quantile_cont(total_ms, 0.95), 1) AS total_p95_ms,
  round(quantile_cont(total_ms, 0.99), 1) AS total_p99_ms,
  round(quantile_cont(overhead_ms, 0.99), 1) AS overhead_p99_ms,
  round(1000 * sum(output_tokens) / nullif(sum(upstream_ms), 0), 1) AS output_tokens_per_s
FROM requests
WHERE time >= $since AND status < 400 AND provider IS NOT NULL
GROUP BY ALL
ORDER BY total_p95_ms DESC;
