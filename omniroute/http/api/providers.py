"""/api/providers: connections of providers, declared by edits of the file."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

from omniroute.http.api.entries import Edits, entry_routes
from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import accounts, candidates, probes
from omniroute.management.candidates import ProviderFragment, ProviderVerdict
from omniroute.management.probes import FoundModels, ProbeReport
from omniroute.worker.runtime import Runtime


async def _validate(runtime: Runtime, *, body: ProviderFragment) -> ProviderVerdict:
    return await asyncio.to_thread(candidates.check_provider, runtime, body)


async def _test(runtime: Runtime, *, id: str) -> ProbeReport:
    return await probes.probe(runtime, unquote(id))


async def _models(runtime: Runtime, *, id: str) -> FoundModels:
    return await probes.found_models(runtime, unquote(id))


_CONNECTIONS = Edits(
    noun="connection",
    show_all=accounts.accounts,
    show=accounts.account,
    add=accounts.add_account,
    change=accounts.change_account,
    remove=accounts.remove_account,
)
ROUTES = (
    operation(
        "POST", "/api/providers/validate", _validate,
        name="provider_validate", surface=Surface.ADMIN,
        summary="What the check would find in a provider's entry", refuses=(409,),
    ),
    operation(
        "POST", "/api/providers/<id:str>/test", _test,
        name="connection_test", surface=Surface.ADMIN,
        summary="Ask a provider for its models, to see whether a connection works", refuses=(404,),
    ),
    operation(
        "GET", "/api/providers/<id:str>/models", _models,
        name="connection_models", surface=Surface.ADMIN,
        summary="The models that a provider lists now", refuses=(404, 422, 502, 504),
    ),
    *entry_routes("/api/providers", _CONNECTIONS),
)  # fmt: skip
