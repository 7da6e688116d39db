-- Requests one by one, the newest first.
SELECT
  request_id AS id,
  time AS timestamp,
  concat(epoch_us(time), '.', hash(request_id)) AS place,
  path,
  status,
  key,
  session,
  agent,
  client,
  requested_model AS "requestedModel",
  provider,
  model,
  concat_ws('/', provider, connection) AS "connectionId",
  total_ms AS duration,
  first_byte_ms AS "firstByteMs",
  attempt_count AS attempts,
  input_tokens AS "in",
  output_tokens AS "out",
  cache_read_tokens AS "cacheRead",
  cache_write_tokens AS "cacheWrite",
  reasoning_tokens AS reasoning,
  cost_usd AS cost,
  saved_usd AS saved,
  cache,
  rule,
  error_class AS "errorClass",
  error_message AS error
FROM requests
WHERE $where
ORDER BY time DESC, hash(request_id) DESC
LIMIT $most;
