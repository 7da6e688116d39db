-- What was used under each tag, and what it cost; a request counts under every tag of its key.
SELECT
  concat_ws('=', entry.key, entry.value) AS tag,
  CAST(sum(requests) AS BIGINT) AS requests,
  CAST(sum(errors) AS BIGINT) AS errors,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  CAST(sum(unpriced) AS BIGINT) AS unpriced
FROM (
  SELECT
    to_json(tags) AS tags,
    count(*) AS requests,
    count(*) FILTER (status >= 400 AND error_class IS DISTINCT FROM 'client_closed') AS errors,
    sum(input_tokens) AS input_tokens,
    sum(cache_read_tokens) AS cache_read_tokens,
    sum(output_tokens) AS output_tokens,
    sum(cost_usd) AS cost_usd,
    count(*) FILTER (status < 400 AND cost_usd IS NULL) AS unpriced
  FROM requests
  WHERE time >= $since
  GROUP BY ALL
),
unnest(
  coalesce(nullif(map_entries(from_json(tags, '"MAP(VARCHAR, VARCHAR)"')), []), [NULL])
) AS t(entry)
GROUP BY ALL
ORDER BY cost_usd DESC NULLS LAST, requests DESC, tag;
