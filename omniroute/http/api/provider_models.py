"""/api/provider-models: what the files say of providers' models, declared by edits of them."""

from __future__ import annotations

from msgspec import Struct

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Surface
from omniroute.management import provider_models
from omniroute.management.provider_models import (
    DeclaredModels,
    DeclaredModelShown,
    ModelChange,
    ModelGone,
)
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


class OfProvider(Struct, frozen=True):
    provider: str | None = None


class WhichDeclared(Struct, frozen=True):
    """The model that is to go."""

    provider: str
    model: str


async def _models(runtime: Runtime, *, query: OfProvider) -> ApiReply[DeclaredModels]:
    found = provider_models.declared_models(runtime, query.provider)
    return ApiReply(value=found, digest=runtime.snapshot.digest)


async def _add(
    runtime: Runtime, *, body: ModelChange, author: Author
) -> ApiReply[DeclaredModelShown]:
    made = await provider_models.add_model(runtime, body, author=author)
    return ApiReply(value=made, digest=runtime.snapshot.digest)


async def _change(
    runtime: Runtime, *, body: ModelChange, author: Author
) -> ApiReply[DeclaredModelShown]:
    changed = await provider_models.change_model(runtime, body, author=author)
    return ApiReply(value=changed, digest=runtime.snapshot.digest)


async def _remove(runtime: Runtime, *, query: WhichDeclared, author: Author) -> ApiReply[ModelGone]:
    gone = await provider_models.remove_model(runtime, query.provider, query.model, author=author)
    return ApiReply(value=gone, digest=runtime.snapshot.digest)


ROUTES = (
    operation(
        "GET", "/api/provider-models", _models,
        name="provider_models", surface=Surface.VIEWER,
        summary="Models that the files declare", refuses=(404,), etag=True,
    ),
    operation(
        "POST", "/api/provider-models", _add,
        name="provider_model_add", surface=Surface.ADMIN, summary="Declare a model of a provider",
        refuses=(404, *REFUSES), etag=True,
    ),
    operation(
        "PATCH", "/api/provider-models", _change,
        name="provider_model_change", surface=Surface.ADMIN, summary="Change a declared model",
        refuses=(404, *REFUSES), etag=True,
    ),
    operation(
        "DELETE", "/api/provider-models", _remove,
        name="provider_model_remove", surface=Surface.ADMIN, summary="Take a declared model away",
        refuses=(400, 404, *REFUSES), etag=True,
    ),
)  # fmt: skip
