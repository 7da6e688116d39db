"""One request and what its steps share: what came in, what is learned, what it costs."""
