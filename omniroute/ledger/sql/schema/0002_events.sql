-- What happened to the gateway itself, one row per change of state.
CREATE TABLE raw.events (
  time TIMESTAMP NOT NULL,
  kind VARCHAR NOT NULL,
  subject VARCHAR NOT NULL,
  detail VARCHAR NOT NULL,
  config_digest VARCHAR,
  worker INTEGER
);
