"""/api/combos: model names that stand for several targets, declared by edits of the file."""

from __future__ import annotations

from omniroute.http.api.entries import edits_of, entry_routes
from omniroute.http.api.operation import operation
from omniroute.http.edge.routes import Surface
from omniroute.management import combo_trials
from omniroute.management.combo_trials import ComboTrial, WhichCombo
from omniroute.management.combos import COMBOS
from omniroute.worker.runtime import Runtime


async def _test(runtime: Runtime, *, body: WhichCombo) -> ComboTrial:
    return await combo_trials.try_combo(runtime, body)


ROUTES = (
    operation(
        "POST", "/api/combos/test", _test,
        name="combo_test", surface=Surface.ADMIN,
        summary="Probe each connection that a combo could be asked through", refuses=(404,),
    ),
    *entry_routes("/api/combos", edits_of(COMBOS)),
)  # fmt: skip
