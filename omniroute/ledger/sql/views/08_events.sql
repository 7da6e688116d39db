CREATE OR REPLACE VIEW events AS
SELECT
  time,
  kind,
  subject,
  detail,
  config_digest,
  worker
FROM raw.events;

COMMENT ON VIEW events IS 'One row per change of state of the gateway.';
COMMENT ON COLUMN events.time IS 'When it happened, UTC.';
COMMENT ON COLUMN events.kind IS 'What happened: breaker.open, credential.refused, config.applied, budget.warning and so on.';
COMMENT ON COLUMN events.subject IS 'What it happened to: provider/connection, or with its model; a budget; the files of the configuration.';
COMMENT ON COLUMN events.detail IS 'The words that the log has of it.';
COMMENT ON COLUMN events.config_digest IS 'Configuration that is served from then on; NULL where it is not known.';
COMMENT ON COLUMN events.worker IS 'Number of the worker process that saw it; NULL where it is none of them.';
