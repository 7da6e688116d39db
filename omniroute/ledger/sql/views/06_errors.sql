CREATE OR REPLACE VIEW errors AS
SELECT
  CAST(time AS DATE) AS day,
  error_class,
  status,
  provider,
  model,
  count(*) AS requests,
  max(time) AS last_time,
  arg_max(request_id, time) AS last_request_id,
  arg_max(error_message, time) AS last_message
FROM requests
WHERE error_class IS NOT NULL
GROUP BY ALL;

COMMENT ON VIEW errors IS 'Failures per UTC day, class, status, provider and model.';
COMMENT ON COLUMN errors.day IS 'Day, UTC.';
COMMENT ON COLUMN errors.error_class IS 'Class of the failure; client_closed when the client left.';
COMMENT ON COLUMN errors.status IS 'HTTP status that the client got.';
COMMENT ON COLUMN errors.provider IS 'Provider that was tried last; NULL when none was.';
COMMENT ON COLUMN errors.model IS 'Model as the provider calls it.';
COMMENT ON COLUMN errors.requests IS 'Number of requests.';
COMMENT ON COLUMN errors.last_time IS 'Latest of them, UTC.';
COMMENT ON COLUMN errors.last_request_id IS 'Id of the latest of them.';
COMMENT ON COLUMN errors.last_message IS 'What the client was told then.';
