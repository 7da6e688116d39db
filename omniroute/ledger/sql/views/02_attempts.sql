CREATE OR REPLACE VIEW attempts AS
SELECT
  request_id,
  time,
  n,
  provider,
  connection,
  model,
  started,
  first_byte_ms,
  total_ms,
  status,
  error_class,
  reason,
  upstream_request_id
FROM raw.attempts;

COMMENT ON VIEW attempts IS 'One row per attempt at a provider.';
COMMENT ON COLUMN attempts.request_id IS 'Request that it belongs to.';
COMMENT ON COLUMN attempts.time IS 'Arrival of the request, UTC.';
COMMENT ON COLUMN attempts.n IS 'Number within the request, from 1.';
COMMENT ON COLUMN attempts.provider IS 'Provider that was tried.';
COMMENT ON COLUMN attempts.connection IS 'Connection of that provider.';
COMMENT ON COLUMN attempts.model IS 'Model as that provider calls it.';
COMMENT ON COLUMN attempts.started IS 'Start of the attempt, UTC.';
COMMENT ON COLUMN attempts.first_byte_ms IS 'Milliseconds until the head of the answer; NULL without one.';
COMMENT ON COLUMN attempts.total_ms IS 'Milliseconds until its end.';
COMMENT ON COLUMN attempts.status IS 'HTTP status of the provider; NULL without an answer.';
COMMENT ON COLUMN attempts.error_class IS 'Class of the failure; NULL when it went well.';
COMMENT ON COLUMN attempts.reason IS 'Why this candidate was tried, or why it failed.';
COMMENT ON COLUMN attempts.upstream_request_id IS 'Id that the provider gave it, for its support.';
