-- What was used, and what it cost.
SELECT
  $by AS $name,
  count(*) AS requests,
  count(*) FILTER (status >= 400 AND error_class IS DISTINCT FROM 'client_closed') AS errors,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  count(*) FILTER (status < 400 AND cost_usd IS NULL) AS unpriced
FROM requests
WHERE time >= $since
GROUP BY ALL
ORDER BY cost_usd DESC NULLS LAST, requests DESC, $name;
