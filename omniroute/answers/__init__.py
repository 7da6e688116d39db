"""Answers given again: the cache, exact and by meaning, idempotency, continued responses."""
