-- A User-Agent begins with a program and its version: claude-cli/2.1.0, or OpenAI/Python 2.1.0 where
-- the program is a library for a language. What a program says of itself elsewhere has no version.
INSERT INTO raw.requests BY NAME
SELECT
  r.request_id AS request_id,
  r.time AS time,
  r.path AS path,
  r.client_format AS client_format,
  r.status AS status,
  r.total_ms AS total_ms,
  r.config_digest AS config_digest,
  r.key AS key,
  coalesce(r.tags, MAP {}) AS tags,
  r.session AS session,
  r.client_ip AS client_ip,
  coalesce(r.kind, 'chat') AS kind,
  coalesce(r.stream, false) AS stream,
  r.requested_model AS requested_model,
  r.provider AS provider,
  r.connection AS connection,
  r.upstream_model AS upstream_model,
  r.error_class AS error_class,
  r.error_message AS error_message,
  r.input_uncached AS input_uncached,
  r.cache_read AS cache_read,
  r.cache_write AS cache_write,
  r.output AS output,
  r.reasoning AS reasoning,
  coalesce(r.usage_estimated, false) AS usage_estimated,
  r.cost_nanousd AS cost_nanousd,
  r.price_source AS price_source,
  r.first_byte_ms AS first_byte_ms,
  r.upstream_ms AS upstream_ms,
  r.overhead_ms AS overhead_ms,
  coalesce(r.cache, 'none') AS cache,
  r.decided_by AS decided_by,
  r.fallback_reason AS fallback_reason,
  coalesce(r.dropped, []) AS dropped,
  coalesce(r.bytes_in, 0) AS bytes_in,
  coalesce(r.bytes_out, 0) AS bytes_out,
  coalesce(len(r.attempts), 0) AS attempt_count,
  coalesce(
    r.app, nullif(said.client, ''), nullif(split_part(r.user_agent, ' ', 1), '')
  ) AS client,
  CASE WHEN r.app IS NULL THEN nullif(said.version, '') END AS client_version,
  r.agent AS agent,
  r.parent_agent AS parent_agent,
  r.service_tier AS service_tier,
  r.attempts[-1].upstream_request_id AS upstream_request_id,
  r.git_commit AS git_commit,
  r.saved_nanousd AS saved_nanousd
FROM (
  SELECT r, regexp_extract(
    r.user_agent,
    '^([^/\s]+(?:/(?:Python|JS|Go|Java|Kotlin|Ruby|PHP|\.NET))?)[/ ]v?([0-9][^\s;,()/]*)',
    ['client', 'version']
  ) AS said
  FROM batch
);
