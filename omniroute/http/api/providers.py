"""/api/providers: connections of providers, declared by edits of the file."""

from __future__ import annotations

import asyncio

from omniroute.http.api.entries import Edits, entry_routes
from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import accounts, candidates
from omniroute.management.candidates import ProviderFragment, ProviderVerdict
from omniroute.worker.runtime import Runtime


async def _validate(runtime: Runtime, *, body: ProviderFragment) -> ProviderVerdict:
    return await asyncio.to_thread(candidates.check_provider, runtime, body)


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
    *entry_routes("/api/providers", _CONNECTIONS),
)  # fmt: skip
