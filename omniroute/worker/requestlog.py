"""One line of the log per request that is answered, one per failure of a provider: names, numbers.

Nothing that was asked or answered stands there, no credential, and no query, which may hold one.
Names that clients choose are cut and made printable, so that nobody writes lines of his own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Final

from omniroute.config.model import RequestLog
from omniroute.errors import Kind
from omniroute.ledger.record import RequestRecord

_log = logging.getLogger("omniroute.requests")

MAX_CHARS: Final = 100
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: what they were answered matters when it is a refusal."""

Fields = Mapping[str, str | int | float | None]
"""What is known of a request; None where it is not."""


def is_wanted(setting: RequestLog) -> bool:
    """Whether requests are logged: `terminal` means for somebody who looks on."""
    return setting == "on" or (setting == "terminal" and sys.stderr.isatty())


class LogEntry:
    """One request's line, written once: by its record where it leaves one, else by its answer."""

    __slots__ = ("_method", "_path", "_request_id", "_started_s", "_written")

    def __init__(self, method: str | None, path: str | None, request_id: str) -> None:
        """`method` and `path` are None for what could not be read as a request."""
        self._method = method
        self._path = path
        self._request_id = request_id
        self._started_s = perf_counter()
        self._written = False

    def recorded(self, record: RequestRecord) -> None:
        """Write what became of a request to a model, the failed attempts first."""
        self._written = True
        for attempt in record.attempts:
            if attempt.error_class is not None:
                _log.warning(
                    "%s/%s failed: %s%s, model %s, %.0f ms (request %s)",
                    attempt.provider,
                    attempt.connection,
                    attempt.error_class,
                    "" if attempt.status is None else f" {attempt.status}",
                    _shown(attempt.model),
                    attempt.total_ms,
                    _shown(record.request_id),
                )
        self._write(record.status, record.total_ms, _of_record(record))

    def answered(self, status: int, error_class: Kind | None = None) -> None:
        """Write what was answered, unless the request's record said so already."""
        if self._written:
            return
        self._written = True
        total_ms = round((perf_counter() - self._started_s) * 1000, 3)
        self._write(status, total_ms, {"error_class": error_class})

    def _write(self, status: int, duration_ms: float, more: Fields) -> None:
        asked = {"method": _shown(self._method), "path": _shown(self._path)}
        rest = {**more, "request_id": _shown(self._request_id)}
        fields = _known({**asked, "status": status, "duration_ms": duration_ms, **rest})
        head = " ".join(text or "-" for text in asked.values())
        words = [f"{name}={value}" for name, value in _known(rest).items()]
        is_probe = self._path in PROBES and status < 400
        _log.log(
            logging.DEBUG if is_probe else logging.INFO,
            "%s",
            " ".join((f"{head} {status} {duration_ms:.0f} ms", *words)),
            extra={"fields": fields},
        )


def _of_record(record: RequestRecord) -> Fields:
    """By the names of the ledger where it has them."""
    return {
        "model": _shown(record.requested_model),
        "provider": record.provider,
        "connection": record.connection,
        "input_tokens": _input_tokens(record),
        "output_tokens": record.output,
        "key": record.key,
        "error_class": record.error_class,
    }


def _known(fields: Fields) -> dict[str, str | int | float]:
    return {name: value for name, value in fields.items() if value is not None}


def _input_tokens(record: RequestRecord) -> int | None:
    """Cached ones too; None when nobody counted."""
    if record.input_uncached is None:
        return None
    return record.input_uncached + (record.cache_read or 0) + (record.cache_write or 0)


def _shown(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_CHARS])
