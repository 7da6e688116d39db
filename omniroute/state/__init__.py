"""What outlives a request: windows, reservations, caches, sessions, behind one Protocol."""
