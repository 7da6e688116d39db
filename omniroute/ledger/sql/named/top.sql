-- Who spends most, and on what.
SELECT
  key,
  provider,
  model,
  count(*) AS requests,
  sum(cost_usd) AS cost_usd,
  round(100 * sum(cost_usd) / nullif(sum(sum(cost_usd)) OVER (), 0), 1) AS percent,
  max(cost_usd) AS dearest_usd,
  arg_max(request_id, cost_usd) AS dearest_request
FROM requests
WHERE time >= $since AND provider IS NOT NULL
GROUP BY ALL
ORDER BY cost_usd DESC NULLS LAST, requests DESC
LIMIT 20;
