CREATE OR REPLACE VIEW requests AS
SELECT
  request_id,
  time,
  key,
  tags,
  session,
  client_ip,
  client_format,
  path,
  kind,
  stream,
  requested_model,
  provider,
  connection,
  upstream_model AS model,
  status,
  error_class,
  error_message,
  input_uncached + coalesce(cache_read, 0) + coalesce(cache_write, 0) AS input_tokens,
  input_uncached AS input_uncached_tokens,
  cache_read AS cache_read_tokens,
  cache_write AS cache_write_tokens,
  output AS output_tokens,
  reasoning AS reasoning_tokens,
  usage_estimated,
  cost_nanousd,
  CAST(cost_nanousd AS DECIMAL(28, 0)) * 0.000000001 AS cost_usd,
  price_source,
  first_byte_ms,
  total_ms,
  upstream_ms,
  overhead_ms,
  attempt_count,
  cache,
  decided_by,
  fallback_reason,
  dropped,
  config_digest,
  bytes_in,
  bytes_out,
  client,
  client_version,
  agent,
  parent_agent,
  service_tier,
  upstream_request_id,
  git_commit,
  saved_nanousd,
  CAST(saved_nanousd AS DECIMAL(28, 0)) * 0.000000001 AS saved_usd,
  nullif(split_part(decided_by, ' (', 1), '') AS rule,
  nullif(regexp_extract(decided_by, ' \((.*)\)$', 1), '') AS rule_place
FROM raw.requests;

COMMENT ON VIEW requests IS 'One row per request, whatever became of it.';
COMMENT ON COLUMN requests.request_id IS 'Id that the client got in the X-Request-Id header.';
COMMENT ON COLUMN requests.time IS 'Arrival, UTC.';
COMMENT ON COLUMN requests.key IS 'Id of the API key; NULL without one.';
COMMENT ON COLUMN requests.tags IS 'Tags of the key: tags[''team''].';
COMMENT ON COLUMN requests.session IS 'Session that the client named.';
COMMENT ON COLUMN requests.client_ip IS 'Address of the client, behind trusted proxies the real one.';
COMMENT ON COLUMN requests.client_format IS 'Wire format that the client spoke.';
COMMENT ON COLUMN requests.path IS 'Path of the endpoint.';
COMMENT ON COLUMN requests.kind IS 'chat, embedding, image, rerank, moderation, speech or transcription.';
COMMENT ON COLUMN requests.stream IS 'The client asked for a stream.';
COMMENT ON COLUMN requests.requested_model IS 'Model, alias or combo as the client wrote it.';
COMMENT ON COLUMN requests.provider IS 'Provider that answered, or was tried last; NULL when none was.';
COMMENT ON COLUMN requests.connection IS 'Connection of that provider.';
COMMENT ON COLUMN requests.model IS 'Model as that provider calls it.';
COMMENT ON COLUMN requests.status IS 'HTTP status that the client got; 499 when it left first.';
COMMENT ON COLUMN requests.error_class IS 'Class of the failure; NULL when it went well.';
COMMENT ON COLUMN requests.error_message IS 'What the client was told, secrets masked.';
COMMENT ON COLUMN requests.input_tokens IS 'Tokens: all input, cached or not; NULL when unknown.';
COMMENT ON COLUMN requests.input_uncached_tokens IS 'Tokens: input that no cache served or stored.';
COMMENT ON COLUMN requests.cache_read_tokens IS 'Tokens: input read from the provider''s cache.';
COMMENT ON COLUMN requests.cache_write_tokens IS 'Tokens: input written to the provider''s cache.';
COMMENT ON COLUMN requests.output_tokens IS 'Tokens: output, reasoning included; NULL when unknown.';
COMMENT ON COLUMN requests.reasoning_tokens IS 'Tokens: the part of the output that was reasoning.';
COMMENT ON COLUMN requests.usage_estimated IS 'The provider did not count all of it; what it left out is estimated.';
COMMENT ON COLUMN requests.cost_nanousd IS 'Nano-dollars, exact; NULL when price or usage is unknown.';
COMMENT ON COLUMN requests.cost_usd IS 'US dollars, exact; NULL when price or usage is unknown.';
COMMENT ON COLUMN requests.price_source IS 'Where the price came from: config, or the catalog and its date.';
COMMENT ON COLUMN requests.first_byte_ms IS 'Milliseconds from arrival to the first byte of the answer''s body.';
COMMENT ON COLUMN requests.total_ms IS 'Milliseconds from arrival to the end of the answer.';
COMMENT ON COLUMN requests.upstream_ms IS 'Milliseconds of waiting for providers, all attempts together.';
COMMENT ON COLUMN requests.overhead_ms IS 'Milliseconds in the gateway itself before the first byte.';
COMMENT ON COLUMN requests.attempt_count IS 'Attempts at providers; 0 when none was needed or allowed.';
COMMENT ON COLUMN requests.cache IS 'The gateway''s own cache: none, hit or miss.';
COMMENT ON COLUMN requests.decided_by IS 'Policy, limit, budget or rule that refused or rerouted, with file:line.';
COMMENT ON COLUMN requests.fallback_reason IS 'Class of the error for which the first candidate did not serve the request; attempts.reason has its words.';
COMMENT ON COLUMN requests.dropped IS 'Fields that the provider''s format cannot express.';
COMMENT ON COLUMN requests.config_digest IS 'Configuration that served the request.';
COMMENT ON COLUMN requests.bytes_in IS 'Bytes of the request''s body.';
COMMENT ON COLUMN requests.bytes_out IS 'Bytes of the answer''s body.';
COMMENT ON COLUMN requests.client IS 'Program that asked, by the headers it sends: claude-cli, codex_cli_rs, OpenAI/Python.';
COMMENT ON COLUMN requests.client_version IS 'Version of that program; NULL where it does not say.';
COMMENT ON COLUMN requests.agent IS 'Agent within the session, as the client named it; NULL for the main one.';
COMMENT ON COLUMN requests.parent_agent IS 'Agent that started this agent.';
COMMENT ON COLUMN requests.service_tier IS 'Service tier that the provider says it served.';
COMMENT ON COLUMN requests.upstream_request_id IS 'Id that the provider gave the last attempt, for its support.';
COMMENT ON COLUMN requests.git_commit IS 'Commit that the configuration''s file was checked out from; NULL outside of git.';
COMMENT ON COLUMN requests.saved_nanousd IS 'Nano-dollars, exact: see saved_usd.';
COMMENT ON COLUMN requests.saved_usd IS 'US dollars that caches saved: a hit of the gateway''s, or the provider''s reads less what its writes cost more; NULL when unknown.';
COMMENT ON COLUMN requests.rule IS 'decided_by without its place: policy:no-opus, budget:team, limit:per-key.';
COMMENT ON COLUMN requests.rule_place IS 'file:line:column of that rule.';
