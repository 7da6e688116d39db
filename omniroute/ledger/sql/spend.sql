SELECT time, key, tags, provider, model, cost_nanousd
FROM requests
WHERE time >= ? AND cost_nanousd > 0 AND provider IS NOT NULL
