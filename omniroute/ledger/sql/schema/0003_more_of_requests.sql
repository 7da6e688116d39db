-- Who asked with what, what was served it, and what it saved.
ALTER TABLE raw.requests ADD COLUMN client VARCHAR;
ALTER TABLE raw.requests ADD COLUMN client_version VARCHAR;
ALTER TABLE raw.requests ADD COLUMN agent VARCHAR;
ALTER TABLE raw.requests ADD COLUMN parent_agent VARCHAR;
ALTER TABLE raw.requests ADD COLUMN service_tier VARCHAR;
ALTER TABLE raw.requests ADD COLUMN upstream_request_id VARCHAR;
ALTER TABLE raw.requests ADD COLUMN git_commit VARCHAR;
ALTER TABLE raw.requests ADD COLUMN saved_nanousd BIGINT;
ALTER TABLE raw.attempts ADD COLUMN upstream_request_id VARCHAR;
