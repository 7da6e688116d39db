"""What no handler takes, refused by path and head: dot segments, unknown codings, forms."""

from __future__ import annotations

from omniroute.base.dots import has_dot_segment
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.wire.coding import CODINGS, coding_of

_FORM = "application/x-www-form-urlencoded"
_BEGINS_JSON = (b"{", b"[", b"")


def check_path(path: str) -> None:
    """Raises RequestError (400) for what some parser on the way could take for another path."""
    if has_dot_segment(path):
        raise RequestError("invalid_request", "the path holds a dot segment", param="path")


def check_head(asked: Asked) -> tuple[bool, str | None]:
    """Whether the body is said to be a form, which its bytes have to show (see `check_body`), and
    its coding.

    Raises RequestError (415) for a body of an unknown coding or in parts, before it is read.
    """
    coding = coding_of(asked.headers)
    if coding is not None and coding not in CODINGS:
        raise RequestError(
            "invalid_request",
            f"the content-encoding {coding!r} is not taken, but {', '.join(CODINGS)} are",
            status=415,
            headers={"Accept-Encoding": ", ".join(CODINGS)},
        )
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("multipart/") and asked.method not in ("GET", "HEAD"):
        raise _no_json(kind)
    return kind == _FORM, coding


def check_body(asked: Asked) -> None:
    """Raises RequestError (415) for a form that is one: curl says so of any JSON."""
    if asked.body.lstrip()[:1] not in _BEGINS_JSON:
        raise _no_json(_FORM)


def _no_json(kind: str) -> RequestError:
    return RequestError(
        "invalid_request",
        f"this path takes a JSON object (content-type: application/json), not {kind}",
        status=415,
        headers={"Accept": "application/json"},
    )
