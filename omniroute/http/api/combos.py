"""/api/combos: model names that stand for several targets, declared by edits of the file."""

from __future__ import annotations

from omniroute.http.api.entries import entry_routes
from omniroute.management.combos import COMBOS

ROUTES = entry_routes("/api/combos", COMBOS)
