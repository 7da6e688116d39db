"""The HTTP edge: routes, authentication, sinks, error envelopes."""
