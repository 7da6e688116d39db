-- What each configuration did to errors, latency and cost, the newest first.
SELECT
  git_commit,
  config_digest,
  min(time) AS first_time,
  max(time) AS last_time,
  count(*) AS requests,
  round(100 * avg(CAST(status >= 500 AS INTEGER)), 2) AS failed_percent,
  round(100 * avg(CAST(decided_by IS NOT NULL AND status >= 400 AS INTEGER)), 2) AS refused_percent,
  round(quantile_cont(total_ms, 0.5), 1) AS total_p50_ms,
  round(quantile_cont(total_ms, 0.95), 1) AS total_p95_ms,
  sum(cost_usd) AS cost_usd,
  sum(cost_usd) / count(*) AS usd_per_request
FROM requests
WHERE time >= $since
GROUP BY ALL
ORDER BY first_time DESC;
