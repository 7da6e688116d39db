"""Semantic rules: what a schema cannot see; one function and one code each."""
