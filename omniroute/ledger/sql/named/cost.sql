-- What each UTC day cost.
SELECT
  CAST(time AS DATE) AS day,
  count(*) AS requests,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  sum(sum(cost_usd)) OVER (ORDER BY day) AS cost_so_far_usd,
  count(*) FILTER (status < 400 AND cost_usd IS NULL) AS unpriced
FROM requests
WHERE time >= $since
GROUP BY day
ORDER BY day;
