-- How long answers take from arrival to their end, for each provider.
SELECT
  provider AS name,
  count(*) AS count,
  round(quantile_cont(total_ms, 0.5), 3) AS p50,
  round(quantile_cont(total_ms, 0.95), 3) AS p95,
  round(quantile_cont(total_ms, 0.99), 3) AS p99
FROM requests
WHERE $where AND status < 400 AND provider IS NOT NULL
GROUP BY provider
ORDER BY count DESC, name;
