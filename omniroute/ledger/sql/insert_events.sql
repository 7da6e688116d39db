-- Lines of the spool that are events.
INSERT INTO raw.events BY NAME
SELECT
  e.time AS time,
  e.kind AS kind,
  e.subject AS subject,
  e.detail AS detail,
  e.config_digest AS config_digest,
  e.worker AS worker
FROM (
  SELECT from_json(line, '{"event": {
    "time": "TIMESTAMP", "kind": "VARCHAR", "subject": "VARCHAR", "detail": "VARCHAR",
    "config_digest": "VARCHAR", "worker": "INTEGER"
  }}').event AS e
  FROM (SELECT unnest(?::VARCHAR[]) AS line)
);
