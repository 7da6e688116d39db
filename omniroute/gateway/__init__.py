"""A snapshot and a request's life on it: compile, reload, pipeline, relay."""
