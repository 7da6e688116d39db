"""/api/models/catalog: what is known of every provider's models."""

from __future__ import annotations

from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management.models import ModelCatalog, model_catalog
from omniroute.worker.runtime import Runtime


async def _catalog(runtime: Runtime) -> ModelCatalog:
    return model_catalog(runtime)


ROUTES = (
    operation(
        "GET",
        "/api/models/catalog",
        _catalog,
        name="models_catalog",
        surface=Surface.VIEWER,
        summary="What is known of every provider's models",
    ),
)
