"""What a browser adds to a request by itself: the login's cookie, and which page asks.

A page of somebody else can make a browser ask, but not say where it stands; that is how such
requests are told from those of people. Programs send neither header.
"""

from __future__ import annotations

from typing import Final

from omniroute.active.snapshot import Snapshot
from omniroute.admission.forwarded import is_trusted
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked

COOKIE: Final = "auth_token"
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = frozenset({"same-origin", "none"})
"""Of `Sec-Fetch-Site`: a page of ours, or a person by hand."""


def session_token(asked: Asked) -> str | None:
    """The login's token; None where there is none, or two, of which nobody knows who set them."""
    if "cookie" not in asked.headers:
        return None
    pairs = (pair.partition("=") for line in asked.all("cookie") for pair in line.split(";"))
    found = [value.strip() for name, _, value in pairs if name.strip() == COOKIE]
    return found[0] if len(found) == 1 and found[0] else None


def session_cookie(token: str, *, ttl_s: int, secure: bool) -> str:
    """The value of `Set-Cookie`; an empty token and 0 take the cookie away."""
    kept = f"{COOKIE}={token}; Path=/; Max-Age={ttl_s}; HttpOnly; SameSite=Strict"
    return f"{kept}; Secure" if secure else kept


def refuse_other_pages(asked: Asked) -> None:
    """Raises RequestError (403) for a change that a page of another origin makes a browser ask."""
    if asked.method in _READS:
        return
    site = asked.headers.get("sec-fetch-site")
    origin = asked.headers.get("origin")
    if site is not None:
        is_ours = site in _OWN
    else:
        is_ours = origin is None or origin.partition("://")[2] == asked.headers.get("host")
    if not is_ours:
        raise RequestError(
            "permission",
            "a page of another origin asked for this change",
            code="cross_origin",
        )


def came_over_tls(asked: Asked, snapshot: Snapshot) -> bool:
    """Whether a proxy that is trusted says so; what is served here itself is plain HTTP."""
    if not is_trusted(asked.peer, snapshot.admission.trusted):
        return False
    first = asked.headers.get("x-forwarded-proto", "").partition(",")[0]
    return first.strip().lower() == "https" or "proto=https" in asked.headers.get(
        "forwarded", ""
    ).lower().replace('"', "")
