-- Lines of the spool as rows. What a line leaves out is the default of RequestRecord.
CREATE OR REPLACE TEMP TABLE batch AS
SELECT from_json(line, '{
  "request_id": "VARCHAR", "time": "TIMESTAMP", "path": "VARCHAR", "client_format": "VARCHAR",
  "status": "INTEGER", "total_ms": "DOUBLE", "config_digest": "VARCHAR", "key": "VARCHAR",
  "tags": "MAP(VARCHAR, VARCHAR)", "session": "VARCHAR", "client_ip": "VARCHAR", "kind": "VARCHAR",
  "stream": "BOOLEAN", "requested_model": "VARCHAR", "provider": "VARCHAR",
  "connection": "VARCHAR", "upstream_model": "VARCHAR", "error_class": "VARCHAR",
  "error_message": "VARCHAR", "input_uncached": "BIGINT", "cache_read": "BIGINT",
  "cache_write": "BIGINT", "output": "BIGINT", "reasoning": "BIGINT", "usage_estimated": "BOOLEAN",
  "cost_nanousd": "BIGINT", "price_source": "VARCHAR", "first_byte_ms": "DOUBLE",
  "upstream_ms": "DOUBLE", "overhead_ms": "DOUBLE", "cache": "VARCHAR", "decided_by": "VARCHAR",
  "fallback_reason": "VARCHAR", "dropped": ["VARCHAR"], "bytes_in": "BIGINT",
  "bytes_out": "BIGINT", "user_agent": "VARCHAR", "app": "VARCHAR",
  "agent": "VARCHAR", "parent_agent": "VARCHAR", "service_tier": "VARCHAR",
  "git_commit": "VARCHAR", "saved_nanousd": "BIGINT",
  "attempts": [{"n": "INTEGER", "provider": "VARCHAR", "connection": "VARCHAR",
    "model": "VARCHAR", "started": "TIMESTAMP", "total_ms": "DOUBLE", "first_byte_ms": "DOUBLE",
    "status": "INTEGER", "error_class": "VARCHAR", "reason": "VARCHAR",
    "upstream_request_id": "VARCHAR"}]
}') AS r
FROM (SELECT unnest(?::VARCHAR[]) AS line);
