"""Byte framings of streams: SSE, NDJSON, JSON arrays; pure, one codec a module."""
