-- How much of the input came from providers' caches, and how many answers from the gateway's own.
SELECT
  provider,
  model,
  count(*) AS requests,
  count(*) FILTER (cache = 'hit') AS hits,
  count(*) FILTER (cache = 'miss') AS misses,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
  sum(saved_usd) AS saved_usd,
  round(100 * sum(cache_read_tokens) / nullif(sum(input_tokens), 0), 1) AS read_percent
FROM requests
WHERE time >= $since AND status < 400
GROUP BY ALL
ORDER BY requests DESC;
