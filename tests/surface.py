"""The routes that the product's own tables and paths make, as a test may walk them."""

from __future__ import annotations

from functools import lru_cache

from omniroute.http import surface
from omniroute.http.edge.routes import Route
from tests.translation.tables import formats


@lru_cache(maxsize=1)
def routes() -> tuple[Route, ...]:
    return surface.routes(formats())
