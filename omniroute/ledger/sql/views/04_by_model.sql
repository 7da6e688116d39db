CREATE OR REPLACE VIEW by_model AS
SELECT
  provider,
  model,
  count(*) AS requests,
  count(*) FILTER (status >= 400 AND error_class IS DISTINCT FROM 'client_closed') AS errors,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  count(*) FILTER (status < 400 AND cost_nanousd IS NULL) AS unpriced,
  min(time) AS first_time,
  max(time) AS last_time
FROM requests
WHERE provider IS NOT NULL
GROUP BY ALL;

COMMENT ON VIEW by_model IS 'Usage per model over everything that is kept.';
COMMENT ON COLUMN by_model.provider IS 'Provider.';
COMMENT ON COLUMN by_model.model IS 'Model as the provider calls it.';
COMMENT ON COLUMN by_model.requests IS 'Number of requests.';
COMMENT ON COLUMN by_model.errors IS 'Number that failed, clients that left not counted.';
COMMENT ON COLUMN by_model.input_tokens IS 'Tokens: input, where known.';
COMMENT ON COLUMN by_model.cache_read_tokens IS 'Tokens: input read from the provider''s cache.';
COMMENT ON COLUMN by_model.output_tokens IS 'Tokens: output, where known.';
COMMENT ON COLUMN by_model.cost_usd IS 'US dollars, of the requests whose cost is known.';
COMMENT ON COLUMN by_model.unpriced IS 'Number of answered requests whose cost is not known.';
COMMENT ON COLUMN by_model.first_time IS 'First request, UTC.';
COMMENT ON COLUMN by_model.last_time IS 'Last request, UTC.';
