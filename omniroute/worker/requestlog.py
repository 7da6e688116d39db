"""One line of the log per request to a model, one per failure of a provider: names and numbers.

Nothing that was asked or answered stands there, and no credential. Names that clients choose are
cut and made printable, so that nobody writes lines of his own.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

from omniroute.config.model import RequestLog
from omniroute.ledger.record import RequestRecord

_log = logging.getLogger("omniroute.requests")

MAX_CHARS: Final = 100


def is_wanted(setting: RequestLog) -> bool:
    """Whether requests are logged: `terminal` means for somebody who looks on."""
    return setting == "on" or (setting == "terminal" and sys.stderr.isatty())


def log_request(record: RequestRecord) -> None:
    """Write what became of a request, the failed attempts first."""
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
    fields = _fields(record)
    words = [f"{name}={value}" for name, value in fields.items() if name not in _HEAD]
    head = f"{fields['path']} {fields['status']} {fields['duration_ms']:.0f} ms"
    _log.info("%s", " ".join((head, *words)), extra={"fields": fields})


_HEAD: Final = frozenset({"path", "status", "duration_ms"})


def _fields(record: RequestRecord) -> dict[str, str | int | float]:
    """What is known, by the names of the ledger where it has them."""
    found: dict[str, str | int | float | None] = {
        "path": _shown(record.path),
        "status": record.status,
        "duration_ms": record.total_ms,
        "model": _shown(record.requested_model),
        "provider": record.provider,
        "connection": record.connection,
        "input_tokens": _input_tokens(record),
        "output_tokens": record.output,
        "key": record.key,
        "error_class": record.error_class,
        "request_id": _shown(record.request_id),
    }
    return {name: value for name, value in found.items() if value is not None}


def _input_tokens(record: RequestRecord) -> int | None:
    """Cached ones too; None when nobody counted."""
    if record.input_uncached is None:
        return None
    return record.input_uncached + (record.cache_read or 0) + (record.cache_write or 0)


def _shown(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_CHARS])
