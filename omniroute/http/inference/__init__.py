"""The paths that clients of models call, each with what its format's table makes of it."""
