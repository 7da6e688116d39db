-- When each key was last used, and what it cost lately.
SELECT
  key,
  max(time) AS last_used,
  sum(cost_usd) FILTER (WHERE time >= $since) AS cost_usd
FROM requests
WHERE key IS NOT NULL
GROUP BY key;
