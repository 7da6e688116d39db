-- Rows of a mixed life: 40 models, 200 keys of 20 teams, some failures, refusals, cache hits, unknown
-- prices and clients that left. Nothing is random, so that every run makes the same.
CREATE OR REPLACE TEMP TABLE drawn AS
SELECT
  n,
  CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)
    - INTERVAL 1 DAY * getvariable('days')
    + to_microseconds(CAST(getvariable('days') * 86400e6 * n / getvariable('rows') AS BIGINT)) AS time,
  hash(n) AS h,
  hash(n + 1) % 1000 AS fate,
  CAST(hash(n) % 200 AS INTEGER) AS key_number,
  CAST(sqrt(hash(n + 2) % 1600) AS INTEGER) AS model_number,
  CAST(hash(n + 3) % 20000 AS BIGINT) AS tokens
FROM range(getvariable('first'), getvariable('last')) AS t(n);

INSERT INTO raw.requests BY NAME
SELECT
  format('req_{:024x}', n) AS request_id,
  time,
  CASE h % 3 WHEN 0 THEN '/v1/messages' ELSE '/v1/chat/completions' END AS path,
  CASE h % 3 WHEN 0 THEN 'anthropic' ELSE 'openai-chat' END AS client_format,
  CASE WHEN fate < 5 THEN 429 WHEN fate < 15 THEN 403 WHEN fate < 25 THEN 502 WHEN fate < 35 THEN 499 ELSE 200 END AS status,
  200 + h % 9000 AS total_ms,
  format('{:06x}', n * 300 // getvariable('rows')) AS config_digest,
  format('key-{}', key_number) AS key,
  MAP {'team': format('team-{}', key_number % 20), 'env': CASE h % 2 WHEN 0 THEN 'ci' ELSE 'dev' END} AS tags,
  format('s{}', n // 40) AS session,
  format('10.1.{}.{}', key_number, h % 250) AS client_ip,
  'chat' AS kind,
  h % 2 = 0 AS stream,
  CASE h % 5 WHEN 0 THEN 'smart' ELSE format('model-{}', model_number) END AS requested_model,
  CASE WHEN fate >= 15 THEN format('provider-{}', model_number % 8) END AS provider,
  CASE WHEN fate >= 15 THEN 'main' END AS connection,
  CASE WHEN fate >= 15 THEN format('model-{}', model_number) END AS upstream_model,
  CASE WHEN fate < 5 THEN 'rate_limit' WHEN fate < 15 THEN 'permission' WHEN fate < 25 THEN 'upstream' WHEN fate < 35 THEN 'client_closed' END AS error_class,
  CASE WHEN fate < 25 THEN 'the provider is overloaded; try again' END AS error_message,
  CASE WHEN fate >= 35 THEN tokens END AS input_uncached,
  CASE WHEN fate >= 35 THEN tokens // 3 END AS cache_read,
  CASE WHEN fate >= 35 THEN tokens // 9 END AS cache_write,
  CASE WHEN fate >= 35 THEN tokens // 7 END AS output,
  CASE WHEN fate >= 35 THEN tokens // 30 END AS reasoning,
  fate % 50 = 0 AS usage_estimated,
  CASE WHEN fate >= 45 THEN tokens * 2500 END AS cost_nanousd,
  CASE WHEN fate >= 45 THEN 'catalog 2026-11-01' END AS price_source,
  80 + h % 900 AS first_byte_ms,
  150 + h % 8900 AS upstream_ms,
  0.5 + (h % 100) / 100 AS overhead_ms,
  CASE WHEN fate > 950 THEN 'hit' WHEN fate > 900 THEN 'miss' ELSE 'none' END AS cache,
  CASE WHEN fate < 15 THEN 'policy:no-opus (omniroute.yaml:41:5)' END AS decided_by,
  CASE WHEN fate BETWEEN 60 AND 90 THEN 'unavailable' END AS fallback_reason,
  CASE WHEN fate % 20 = 0 THEN ['top_k'] ELSE [] END AS dropped,
  2000 + tokens * 4 AS bytes_in,
  tokens AS bytes_out,
  CASE WHEN fate < 15 THEN 0 WHEN fate BETWEEN 60 AND 90 THEN 2 ELSE 1 END AS attempt_count,
  CASE h % 4 WHEN 0 THEN 'claude-cli' WHEN 1 THEN 'codex_cli_rs' ELSE 'OpenAI/Python' END AS client,
  format('2.{}.0', n * 30 // getvariable('rows')) AS client_version,
  CASE h % 6 WHEN 0 THEN format('agent-{}', h % 50) END AS agent,
  'standard' AS service_tier,
  CASE WHEN fate >= 15 THEN format('up_{:020x}', n) END AS upstream_request_id,
  md5(CAST(n * 300 // getvariable('rows') AS VARCHAR)) AS git_commit,
  CASE WHEN fate >= 45 THEN tokens * 300 END AS saved_nanousd
FROM drawn;

INSERT INTO raw.attempts BY NAME
SELECT
  format('req_{:024x}', n) AS request_id,
  time,
  attempt AS n,
  format('provider-{}', (model_number + attempt) % 8) AS provider,
  'main' AS connection,
  format('model-{}', model_number) AS model,
  time AS started,
  80 + h % 900 AS first_byte_ms,
  150 + h % 8900 AS total_ms,
  CASE WHEN fate < 25 OR (fate BETWEEN 60 AND 90 AND attempt = 1) THEN 503 ELSE 200 END AS status,
  CASE WHEN fate < 25 OR (fate BETWEEN 60 AND 90 AND attempt = 1) THEN 'unavailable' END AS error_class,
  CASE WHEN fate BETWEEN 60 AND 90 AND attempt = 1 THEN 'down today' END AS reason,
  format('up_{:020x}', n) AS upstream_request_id
FROM drawn, range(1, 3) AS a(attempt)
WHERE fate >= 15 AND (attempt = 1 OR fate BETWEEN 60 AND 90);
