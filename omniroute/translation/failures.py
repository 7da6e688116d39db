"""Error answers, classified: from a status, a table's kinds and the words of the message."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast, get_args

from omniroute.errors import STATUS, Kind, UpstreamReportedError
from omniroute.translation.values import Failure

KINDS: Final[frozenset[str]] = frozenset(get_args(Kind))
_BY_STATUS: Final[Mapping[int, Kind]] = {
    400: "invalid_request",
    401: "authentication",
    402: "budget",
    403: "permission",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    422: "unprocessable",
    429: "rate_limit",
    499: "client_closed",
    503: "unavailable",
    504: "timeout",
    529: "overloaded",
}


class StreamFailedError(UpstreamReportedError):
    """A stream that came in the place of a whole answer ends with a failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def kind_of_status(status: int) -> Kind:
    """The class of an HTTP status when nothing better is known."""
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    return "invalid_request" if 400 <= status < 500 else "upstream"


def classify(
    said: Mapping[str, Any],
    *,
    status: int | None,
    kinds: Mapping[str, Any],
    messages: Mapping[str, Any],
    retry_after_s: float | None = None,
) -> Failure:
    """What a table read of an error, as a Failure.

    The code is looked up before the type, both before the status; `messages` are words that name a
    kind which the format has no code for, tried where only a general kind is known.
    """
    message = said.get("message")
    text = message if type(message) is str and message else "the provider failed"
    if status is not None and not 400 <= status < 600:
        status = None  # a redirect, or a success without an answer: no status for a client
    own = said.get("status")
    if status is None and type(own) is int and 400 <= own < 600:
        status = own
    named = next(
        (kinds[word] for key in ("code", "type") if (word := _word(said.get(key))) in kinds), None
    )
    kind = cast(Kind, named) if named in KINDS else None
    if kind is None:
        kind = "upstream" if status is None else kind_of_status(status)
    if kind in ("invalid_request", "upstream", "too_large"):
        lowered = text.lower()
        for words, better in messages.items():
            if words in lowered:
                kind = cast(Kind, better)
                break
    code, param = said.get("code"), said.get("param")
    seconds = said.get("retry_after")
    if retry_after_s is None and isinstance(seconds, int | float) and seconds >= 0:
        retry_after_s = float(seconds)
    return Failure(
        kind=kind,
        status=STATUS[kind] if status is None else status,
        message=text,
        code=_word(code) or None,
        param=param if type(param) is str else None,
        retry_after_s=retry_after_s,
    )


def _word(value: object) -> str:
    return str(value) if type(value) in (str, int) else ""


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait; None when it does not or cannot be read.

    Takes milliseconds (`retry-after-ms`), seconds, and an HTTP date, which is held against the
    answer's own `date` (RFC 9110, 10.2.3): no clock of ours is involved.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else -1.0
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
