-- What failed or was refused, and what clients were told last.
SELECT
  error_class,
  status,
  decided_by,
  provider,
  model,
  count(*) AS requests,
  count(DISTINCT key) AS keys,
  max(time) AS last_time,
  arg_max(request_id, time) AS last_request,
  arg_max(error_message, time) AS last_message
FROM requests
WHERE time >= $since AND error_class IS NOT NULL
GROUP BY ALL
ORDER BY requests DESC, last_time DESC;
