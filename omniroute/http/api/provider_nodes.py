"""/api/provider-nodes: servers that the files declare by format and URL."""

from __future__ import annotations

from omniroute.http.api.entries import edits_of, entry_routes
from omniroute.management.provider_nodes import NODES

ROUTES = entry_routes("/api/provider-nodes", edits_of(NODES))
