"""What a request uses of the worker that it runs in."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from omniroute.admission.budget import BudgetEvent
from omniroute.base.clock import Clock
from omniroute.base.heavy import Heavy
from omniroute.ledger.record import RequestRecord
from omniroute.request.keepalive import KeepAlive
from omniroute.request.unasked import Unasked
from omniroute.routing.live import LiveState
from omniroute.state.store import Store
from omniroute.upstream.pool import TransportPool


class Services(Struct, kw_only=True, eq=False):
    """One per worker; nothing here belongs to a snapshot."""

    transports: TransportPool
    live: LiveState
    store: Store
    heavy: Heavy
    alive: KeepAlive
    unasked: Unasked
    append: Callable[[RequestRecord], bool]
    """Writes a record; False when it had to be dropped."""
    notify: Callable[[BudgetEvent], None]
    """Hears of every warning threshold that spend has crossed; never waits."""
    skipped: Callable[[str, int], None]
    """Hears of the frames that were left out of a provider's stream, as nobody can read them."""
    clock: Clock
    rng: random.Random
