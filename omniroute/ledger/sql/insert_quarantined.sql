INSERT INTO raw.events BY NAME
SELECT
  CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP) AS time,
  'ledger.quarantined' AS kind,
  ? AS subject,
  ? AS detail;
