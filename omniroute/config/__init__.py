"""YAML text to a checked, frozen config with diagnostics; pure, reads through what it is given."""
