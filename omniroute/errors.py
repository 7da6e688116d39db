"""The error tree, nothing else.

OmnirouteError
├── ConfigError            the configuration cannot be used; carries its diagnostics
├── RequestError           what a client is told: kind, status, message, field
├── UpstreamError          an attempt at a provider failed
│   ├── UpstreamConnectError   refused, unreachable, TLS or proxy failure: nothing was sent
│   │   └── BlockedAddressError    the outbound address rules forbid the target (SSRF guard)
│   ├── UpstreamTimeoutError   connect, first byte, silence or the whole call took too long
│   ├── UpstreamCutError       the answer ended, or was garbage, before its own end marker
│   └── UpstreamReportedError  a whole answer is an error, whatever its status
├── CodingError            a body's content coding cannot be undone
├── ExpressionError        a JMESPath expression is wrong, or met a value of the wrong type
├── TableError             a translation table cannot be used; carries its diagnostics
├── TranslationError       a body cannot be expressed in the other format
├── StateError             the shared state cannot be reached or started
├── LedgerError            usage data cannot be read or written
│   └── LedgerBusyError        another process has the database file open; later it may work
└── UsageError             the command line was used wrongly (exit 2)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal[
    "invalid_request",
    "authentication",
    "budget",
    "permission",
    "not_found",
    "method_not_allowed",
    "conflict",
    "too_large",
    "unprocessable",
    "rate_limit",
    "context_length",
    "content_filter",
    "client_closed",
    "internal",
    "upstream",
    "connection",
    "unavailable",
    "overloaded",
    "timeout",
]
"""Error classes as the ledger, the fallback rules and the envelopes name them."""

STATUS: Mapping[Kind, int] = {
    "invalid_request": 400,
    "authentication": 401,
    "budget": 402,
    "permission": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "unprocessable": 422,
    "rate_limit": 429,
    "context_length": 400,
    "content_filter": 400,
    "client_closed": 499,
    "internal": 500,
    "upstream": 502,
    "connection": 502,
    "unavailable": 503,
    "overloaded": 529,
    "timeout": 504,
}
"""The status a kind has when nothing better is known; the only such table."""


class OmnirouteError(Exception):
    """Root of everything this product raises on purpose."""


class ConfigError(OmnirouteError):
    """The configuration cannot be used.

    `diagnostics` are `omniroute.config.diagnostics.Diagnostic` values, typed loosely here because
    this module imports nothing.
    """

    def __init__(self, message: str, diagnostics: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)


class Original(NamedTuple):
    """A provider's error as it came, without secrets, for clients of the same format."""

    format: str
    status: int
    body: bytes
    headers: Mapping[str, str]
    """Those that such clients read."""


class RequestError(OmnirouteError):
    """What a client is told. `status` defaults to the kind's; `param` is the wrong field's path.

    `diagnostics` are why the configuration that was asked for is refused, typed as ConfigError's.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        original: Original | None = None,
        diagnostics: Sequence[object] = (),
    ) -> None:
        super().__init__(message)
        self.original = original
        self.diagnostics = tuple(diagnostics)
        self.kind: Kind = kind
        self.message = message
        self.status = STATUS[kind] if status is None else status
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.headers: Mapping[str, str] = headers or {}


class UpstreamError(OmnirouteError):
    """An attempt at a provider failed; fallback rules and the ledger see its `kind`."""

    kind: Kind = "upstream"


class UpstreamConnectError(UpstreamError):
    """Nothing was sent: refused, unreachable, DNS, TLS or proxy failure. Always safe to retry."""

    kind: Kind = "connection"


class BlockedAddressError(UpstreamConnectError):
    """The outbound address rules forbid the target."""


class UpstreamTimeoutError(UpstreamError):
    """`phase` says which bound was hit."""

    kind: Kind = "timeout"

    def __init__(
        self, message: str, *, phase: Literal["connect", "first_byte", "idle", "total"]
    ) -> None:
        super().__init__(message)
        self.phase = phase


class UpstreamCutError(UpstreamError):
    """The answer ended before its own end marker, or its bytes were not what they claim to be."""

    kind: Kind = "upstream"


class UpstreamReportedError(UpstreamError):
    """The body of a good status is the format's error; who asked reads it as one."""


class CodingError(OmnirouteError):
    """A body's content coding is not known, or its bytes are not what it says."""


class ExpressionError(OmnirouteError):
    """A JMESPath expression is wrong, or met a value of the wrong type.

    `position` is the 0-based offset in the expression's text where that is known.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class TableError(OmnirouteError):
    """A translation table cannot be used; `diagnostics` as in ConfigError."""

    def __init__(self, message: str, diagnostics: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)


class TranslationError(OmnirouteError):
    """A body cannot be expressed in the other format; `param` is the field in the way."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class StateError(OmnirouteError):
    """The shared state cannot be reached or started."""


class LedgerError(OmnirouteError):
    """Usage data cannot be read or written."""


class LedgerBusyError(LedgerError):
    """Another process has the database file open; the same call may work in a moment."""


class UsageError(OmnirouteError):
    """The command line was used wrongly."""
