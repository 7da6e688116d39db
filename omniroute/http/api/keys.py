"""/api/keys: API keys, made, changed and revoked by edits of the file."""

from __future__ import annotations

from omniroute.http.api.entries import edits_of, entry_routes
from omniroute.management.keys import KEYS, add_key

ROUTES = entry_routes("/api/keys", edits_of(KEYS, add=add_key))
