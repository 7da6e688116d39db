"""Going on from an answer by its id: what is kept of answers, and put back before later requests.

Some formats let a client name an earlier answer instead of sending all that went before. The
gateway keeps each such answer, for the same key alone, together with the conversation that led to
it. A provider that made the answer itself and speaks the format knows it under the same id, so its
requests stay as they are; for every other provider the conversation is put into the body.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from omniroute.base.bigjson import read_json, write_json
from omniroute.base.heavy import BIG_BYTES
from omniroute.request.request import Request
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


async def look_back(request: Request, continuing: Continuing) -> None:
    """Put before a request what it goes on from; an unknown id is left to a provider that may
    know it."""
    previous = continuing.previous(request.body)
    if previous is None:
        return
    now_s = request.started.timestamp()
    kept = await find(request.services.store, request.record.key, previous, now_s)
    if kept is not None:
        items = bytes(kept.items)
        request.is_big = request.is_big or len(items) >= BIG_BYTES
        request.full = await request.services.heavy.run(
            lambda: continuing.expand(request.body, read_json(items))
        )
        request.known_to = kept.provider


async def keep(request: Request, answer: bytes, provider: str | None = None) -> None:
    """Keep an answer under its own id, where its format has that and the client wants it.

    `provider` is who made it in the client's own format.
    """
    continuing = request.client.continuing
    if continuing is None or not answer or not continuing.wanted(request.body):
        return
    identity, data = await request.services.heavy.run(
        lambda: _kept(request, continuing, answer, provider)
    )
    if identity is not None:
        services = request.services
        now_s = services.clock.now().timestamp()
        await save_response(services.store, request.record.key, identity, data, now_s)


def _kept(
    request: Request, continuing: Continuing, answer: bytes, provider: str | None
) -> tuple[str | None, bytes]:
    """The id of an answer, None where it has none, and what is kept under it."""
    said: Any = read_json(answer)
    identity = said.get("id")
    if type(identity) is not str:
        return None, b""
    kept = KeptAnswer(
        items=msgspec.Raw(write_json(continuing.items(request.full, said))),
        answer=msgspec.Raw(answer),
        provider=provider,
    )
    return identity, msgspec.json.encode(kept)


async def find(store: Store, key_id: str | None, identity: str, now_s: float) -> KeptAnswer | None:
    """None also for another key's answer: whose it is cannot be probed."""
    data = await load_response(store, key_id, identity, now_s)
    return None if data is None else _decode(data)
