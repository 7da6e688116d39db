"""One record per request and attempt, from spool to SQL."""
