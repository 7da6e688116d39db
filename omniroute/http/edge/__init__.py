"""What every route shares: sockets, workers, heads, bodies, credentials, error envelopes."""
