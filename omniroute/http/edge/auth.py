"""Who asks: the presented key, the request id and the client's address, from raw headers.

Keys are taken where the clients of any format put them, as the tables say: `Authorization: Bearer`
before other headers, and headers before query parameters; the first one that is there counts. A
header that stands twice is refused, since two parsers could disagree on which one is meant.
"""

from __future__ import annotations

import random
import re
from typing import Final

from omniroute.active.snapshot import Snapshot
from omniroute.admission.forwarded import client_ip
from omniroute.admission.values import Caller
from omniroute.config.model import Role
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.browser import refuse_other_pages, session_token
from omniroute.http.edge.parser import Head
from omniroute.worker.runtime import Runtime

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ids: Final = random.Random()  # noqa: S311 - seeded by the system; an id guards nothing


def request_id_of(head: Head | None) -> str:
    """The client's own `X-Request-Id` where it is harmless to repeat, else a new one."""
    given = None if head is None else head.first.get("x-request-id")
    return given if given and _SAFE_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    return f"req_{_ids.getrandbits(128):032x}"


def presented_key(asked: Asked, snapshot: Snapshot) -> str | None:
    """The key that the client sent, None where it sent none.

    Raises RequestError (401) when a credential header is doubled or of an unknown scheme.
    """
    places = snapshot.formats.key_places
    found: str | None = None
    for name in ("authorization", *places.headers):
        if name not in asked.headers:
            continue
        values = asked.all(name)
        if len(values) > 1:
            raise RequestError("authentication", f"the {name} header is present more than once")
        found = found or (_bearer(values[0]) if name == "authorization" else values[0].strip())
    if found:
        return found
    return next((key for name in places.queries if (key := asked.query(name))), None)


async def require_role(runtime: Runtime, asked: Asked, role: Role) -> Caller:
    """Who asks for management, by key or by cookie; a key that is sent is the one that counts.

    Raises RequestError when that is nobody who may, and for a change without a key that a page of
    another origin asks for, whether or not a login is required.
    """
    snapshot = runtime.snapshot
    key = presented_key(asked, snapshot)
    if not key:
        refuse_other_pages(asked)
    return await runtime.require_role(
        key, session_token(asked), role=role, client_ip=client_ip_of(asked, snapshot)
    )


def _bearer(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise RequestError("authentication", "the Authorization header must be 'Bearer <key>'")
    return rest.strip()


def client_ip_of(asked: Asked, snapshot: Snapshot) -> str:
    """The address that rules apply to: the TCP peer, or what a trusted proxy says of it."""
    if not snapshot.config.server.trusted_proxies:
        return asked.peer
    headers = {
        name: ", ".join(asked.all(name))
        for name in ("x-forwarded-for", "forwarded")
        if name in asked.headers
    }
    return client_ip(asked.peer, headers, snapshot.admission.trusted)
