CREATE OR REPLACE VIEW by_key AS
SELECT
  key,
  count(*) AS requests,
  count(*) FILTER (status >= 400 AND error_class IS DISTINCT FROM 'client_closed') AS errors,
  count(*) FILTER (decided_by IS NOT NULL AND status >= 400) AS refused,
  CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
  CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  count(*) FILTER (status < 400 AND cost_nanousd IS NULL) AS unpriced,
  max(time) AS last_time
FROM requests
GROUP BY ALL;

COMMENT ON VIEW by_key IS 'Usage per API key over everything that is kept.';
COMMENT ON COLUMN by_key.key IS 'Id of the API key; NULL for requests without one.';
COMMENT ON COLUMN by_key.requests IS 'Number of requests.';
COMMENT ON COLUMN by_key.errors IS 'Number that failed, clients that left not counted.';
COMMENT ON COLUMN by_key.refused IS 'Number that a policy, limit, budget or rule refused.';
COMMENT ON COLUMN by_key.input_tokens IS 'Tokens: input, where known.';
COMMENT ON COLUMN by_key.output_tokens IS 'Tokens: output, where known.';
COMMENT ON COLUMN by_key.cost_usd IS 'US dollars, of the requests whose cost is known.';
COMMENT ON COLUMN by_key.unpriced IS 'Number of answered requests whose cost is not known.';
COMMENT ON COLUMN by_key.last_time IS 'Last request, UTC.';
