"""/api/combos: model names that stand for several targets, declared by edits of the file."""

from __future__ import annotations

from omniroute.http.api.entries import edits_of, entry_routes
from omniroute.management.combos import COMBOS

ROUTES = entry_routes("/api/combos", edits_of(COMBOS))
