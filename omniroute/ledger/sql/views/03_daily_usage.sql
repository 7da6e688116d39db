CREATE OR REPLACE VIEW daily_usage AS
SELECT
  CAST(time AS DATE) AS day,
  key,
  provider,
  model,
  count(*) AS requests,
  count(*) FILTER (status >= 400 AND error_class IS DISTINCT FROM 'client_closed') AS errors,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  count(*) FILTER (status < 400 AND cost_nanousd IS NULL) AS unpriced
FROM requests
GROUP BY ALL;

COMMENT ON VIEW daily_usage IS 'Usage per UTC day, key, provider and model.';
COMMENT ON COLUMN daily_usage.day IS 'Day, UTC.';
COMMENT ON COLUMN daily_usage.key IS 'Id of the API key; NULL without one.';
COMMENT ON COLUMN daily_usage.provider IS 'Provider; NULL when none was reached.';
COMMENT ON COLUMN daily_usage.model IS 'Model as the provider calls it.';
COMMENT ON COLUMN daily_usage.requests IS 'Number of requests.';
COMMENT ON COLUMN daily_usage.errors IS 'Number that failed, clients that left not counted.';
COMMENT ON COLUMN daily_usage.input_tokens IS 'Tokens: input, where known.';
COMMENT ON COLUMN daily_usage.cache_read_tokens IS 'Tokens: input read from the provider''s cache.';
COMMENT ON COLUMN daily_usage.output_tokens IS 'Tokens: output, where known.';
COMMENT ON COLUMN daily_usage.cost_usd IS 'US dollars, of the requests whose cost is known.';
COMMENT ON COLUMN daily_usage.unpriced IS 'Number of answered requests whose cost is not known.';
