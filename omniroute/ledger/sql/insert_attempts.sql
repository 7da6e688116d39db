INSERT INTO raw.attempts BY NAME
SELECT
  request_id,
  time,
  a.n AS n,
  a.provider AS provider,
  a.connection AS connection,
  a.model AS model,
  a.started AS started,
  a.total_ms AS total_ms,
  a.first_byte_ms AS first_byte_ms,
  a.status AS status,
  a.error_class AS error_class,
  a.reason AS reason,
  a.upstream_request_id AS upstream_request_id
FROM (SELECT r.request_id AS request_id, r.time AS time, unnest(r.attempts) AS a FROM batch);
