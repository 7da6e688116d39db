"""What no handler takes, refused by path and head: dot segments, coded bodies, forms."""

from __future__ import annotations

from omniroute.base.dots import has_dot_segment
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked

_FORM = "application/x-www-form-urlencoded"
_BEGINS_JSON = (b"{", b"[", b"")


def check_path(path: str) -> None:
    """Raises RequestError (400) for what some parser on the way could take for another path."""
    if has_dot_segment(path):
        raise RequestError("invalid_request", "the path holds a dot segment", param="path")


def check_head(asked: Asked) -> bool:
    """Whether the body is said to be a form, which its bytes have to show; see `check_body`.

    Raises RequestError (415) for a body that is coded or in parts, before it is read.
    """
    coding = asked.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise RequestError(
            "invalid_request",
            f"the content-encoding {coding!r} is not taken; send the body as it is",
            status=415,
            headers={"Accept-Encoding": "identity"},
        )
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("multipart/") and asked.method not in ("GET", "HEAD"):
        raise _no_json(kind)
    return kind == _FORM


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
