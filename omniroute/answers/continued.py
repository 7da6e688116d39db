"""Going on from an answer by its id: what is kept of answers, and put back before later requests.

Some formats let a client name an earlier answer instead of sending all that went before. The
gateway keeps each such answer, for the same key alone, together with the conversation that led to
it. A provider that made the answer itself and speaks the format knows it under the same id, so its
requests stay as they are; for every other provider the conversation is put into the body.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from msgspec import Struct

from omniroute.request.inflight import InFlight
from omniroute.state.kept import load_response, save_response
from omniroute.state.store import Store
from omniroute.translation.values import Continuing


class KeptAnswer(Struct, frozen=True, kw_only=True):
    """Both parts are JSON as the client's format has it."""

    items: msgspec.Raw
    """The conversation up to the answer and with it."""
    answer: msgspec.Raw
    provider: str | None = None
    """Who made it in the client's own format, and so knows it by the same id."""


_decode = msgspec.json.Decoder(KeptAnswer).decode


class Continued(Struct, frozen=True, kw_only=True):
    """A request's body, and what it is when what went before is written out."""

    body: dict[str, Any]
    full: dict[str, Any]
    """The same object as `body` where nothing that is kept here went before."""
    provider: str | None = None
    """Who knows what went before."""

    def for_provider(self, provider: str, *, passed: bool) -> dict[str, Any]:
        """The body that one provider needs; `passed` when it speaks the client's format."""
        return self.body if passed and provider == self.provider else self.full


async def go_on(
    store: Store, continuing: Continuing, key_id: str | None, body: dict[str, Any], now_s: float
) -> Continued:
    """Look up what a request goes on from; an unknown id is left to a provider that may know it."""
    previous = continuing.previous(body)
    kept = await find(store, key_id, previous, now_s) if previous is not None else None
    if kept is None:
        return Continued(body=body, full=body)
    full = continuing.expand(body, orjson.loads(bytes(kept.items)))
    return Continued(body=body, full=full, provider=kept.provider)


async def keep(
    flight: InFlight, continued: Continued, answer: bytes, provider: str | None = None
) -> None:
    """Keep an answer under its own id, where its format has that and the client wants it.

    `provider` is who made it in the client's own format.
    """
    continuing = flight.snapshot.formats.client(flight.inbound.format).continuing
    if continuing is None or not answer or not continuing.wanted(continued.body):
        return
    said: Any = orjson.loads(answer)
    identity = said.get("id")
    if type(identity) is not str:
        return
    kept = KeptAnswer(
        items=msgspec.Raw(orjson.dumps(continuing.items(continued.full, said))),
        answer=msgspec.Raw(answer),
        provider=provider,
    )
    services = flight.services
    now_s = services.clock.now().timestamp()
    await save_response(
        services.store, flight.trace.key, identity, msgspec.json.encode(kept), now_s
    )


async def find(store: Store, key_id: str | None, identity: str, now_s: float) -> KeptAnswer | None:
    """None also for another key's answer: whose it is cannot be probed."""
    data = await load_response(store, key_id, identity, now_s)
    return None if data is None else _decode(data)
