-- Sums over all, and for each provider, model, connection and key.
SELECT
  CASE
    WHEN grouping(key) = 0 THEN 'key'
    WHEN grouping(connection) = 0 THEN 'connection'
    WHEN grouping(model) = 0 THEN 'model'
    WHEN grouping(provider) = 0 THEN 'provider'
    ELSE 'all'
  END AS part,
  coalesce(key, concat_ws('/', provider, coalesce(connection, model))) AS name,
  count(*) AS requests,
  count(*) FILTER (status >= 400 AND error_class IS DISTINCT FROM 'client_closed') AS errors,
  CAST(coalesce(sum(input_tokens), 0) AS BIGINT) AS "promptTokens",
  CAST(coalesce(sum(output_tokens), 0) AS BIGINT) AS "completionTokens",
  coalesce(sum(cost_usd), 0) AS cost,
  coalesce(sum(saved_usd), 0) AS saved,
  count(*) FILTER (status < 400 AND cost_usd IS NULL) AS unpriced,
  max(time) AS "lastUsed"
FROM requests
WHERE $where
GROUP BY GROUPING SETS ((), (provider), (provider, model), (provider, connection), (key))
ORDER BY cost DESC, requests DESC, name;
