"""Who asks, what it may, where it goes: the same without a server, for tests and people."""
