"""The one way to ask a provider: what is sent, how much is read, and what a failure of its says.

Whatever a provider says of a failure comes in here and nowhere else, and no secret of ours comes in
with it: what is told to clients, logged or kept is made of such a `Failure` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import orjson
from msgspec.structs import replace

from omniroute.base.bigjson import read_json, write_json
from omniroute.errors import Original, UpstreamCutError, UpstreamError
from omniroute.translation.values import Failure, Outbound, Pair
from omniroute.upstream.client import Exchange, FileSource, UpstreamRequest
from omniroute.upstream.outlet import Headers, Outlet

Redact = Callable[[str], str]
"""A text without the secrets of the snapshot that a request runs on."""

MAX_REPLY_BYTES: Final = 64 << 20
"""A whole answer is held in memory once; beyond this the upstream is not answering a chat."""
MAX_ERROR_BYTES: Final = 256 << 10
"""Of an error answer only the beginning is worth reading."""
_MAX_MESSAGE: Final = 4000  # characters of a provider's error page; enough for every real message
_MAX_ORIGINAL_BYTES: Final = 16 << 10
"""Of an error that goes on as it came; what is longer is told in our own envelope."""
_MAX_WORD: Final = 200  # of a code or a field's path
_MARGIN: Final = 4096  # looked at beyond those, as a secret may stand where the text is cut


class ReportedFailureError(Exception):
    """The provider says that it failed, in an error answer or inside its stream."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def request_to(
    outlet: Outlet,
    outbound: Outbound,
    *,
    headers: Headers | None = None,
    own: Headers = (),
    model: str = "",
    file: FileSource | None = None,
) -> UpstreamRequest:
    """The outlet's address and credential around a body, and the client's file where it goes along.

    `headers` stand in the place of the outlet's; `own` are those of this request alone.
    """
    tail = outbound.tail
    return UpstreamRequest(
        method=outbound.method,
        url=outlet.url(outbound.path, outbound.query, model=model),
        headers=outbound.headers + (outlet.headers if headers is None else headers),
        own=own,
        body=outbound.body,
        file=None if tail is None else file,
        tail=tail or b"",
    )


async def read_whole(exchange: Exchange, *, limit_bytes: int = MAX_REPLY_BYTES) -> bytes:
    """The whole body. Raises UpstreamCutError when it is larger than `limit_bytes`."""
    first = await exchange.read()
    if not first:
        return b""
    chunks = [first]
    size = len(first)
    while chunk := await exchange.read():
        size += len(chunk)
        if size > limit_bytes:
            raise UpstreamCutError(f"the upstream's answer is larger than {limit_bytes} bytes")
        chunks.append(chunk)
    return first if len(chunks) == 1 else b"".join(chunks)


async def refused(exchange: Exchange, pair: Pair, redact: Redact) -> Failure:
    """What an error answer says."""
    body = await _read_error(exchange)
    failure = failure_in(body, exchange, pair, redact)
    if not pair.errors_pass or exchange.status < 400 or len(body) > _MAX_ORIGINAL_BYTES:
        return failure
    return replace(failure, original=_original(body, exchange, pair, redact))


def _original(body: bytes, exchange: Exchange, pair: Pair, redact: Redact) -> Original | None:
    """An error's JSON as it came, written anew: a secret may hide in how a text was written."""
    try:
        said = read_json(body)
        clean = write_json(_clean(said, redact)) if isinstance(said, dict) else None
    except (orjson.JSONDecodeError, RecursionError, TypeError):
        return None
    if clean is None:
        return None
    headers = returned(pair.returns, exchange.headers, redact)
    return Original(pair.format, exchange.status, clean, headers)


def _clean(said: Any, redact: Redact) -> Any:
    if isinstance(said, str):
        return redact(said)
    if isinstance(said, dict):
        members = cast("dict[str, Any]", said)
        return {redact(name): _clean(value, redact) for name, value in members.items()}
    if isinstance(said, list):
        return [_clean(value, redact) for value in cast("list[Any]", said)]
    return said


def returned(names: tuple[str, ...], headers: Mapping[str, str], redact: Redact) -> dict[str, str]:
    """Of an answer's headers those that its client gets; a name may end in a star."""
    return {
        name: redact(value)
        for name, value in headers.items()
        if any(_is_meant(name, wanted) for wanted in names)
    }


def _is_meant(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def failure_in(body: bytes, exchange: Exchange, pair: Pair, redact: Redact) -> Failure:
    """What a body says that is an error."""
    return heard(pair.failure(exchange.status, exchange.headers, body), redact)


def heard(failure: Failure, redact: Redact) -> Failure:
    """A failure as a stream tells it, with no secret in it."""
    return replace(
        failure,
        message=_told(failure.message, _MAX_MESSAGE, redact),
        code=failure.code and _told(failure.code, _MAX_WORD, redact),
        param=failure.param and _told(failure.param, _MAX_WORD, redact),
    )


def words_of(error: UpstreamError, redact: Redact) -> str:
    """A transport's own words, for a log; they may quote an address or what the other side said."""
    return _told(str(error), _MAX_WORD, redact)


async def _read_error(exchange: Exchange) -> bytes:
    """The beginning of an error answer; what cannot be read is left out."""
    chunks: list[bytes] = []
    size = 0
    try:
        while size < MAX_ERROR_BYTES and (chunk := await exchange.read()):
            chunks.append(chunk)
            size += len(chunk)
    except UpstreamError:
        pass  # the status alone tells enough
    return b"".join(chunks)[:MAX_ERROR_BYTES]


def _told(text: str, chars: int, redact: Redact) -> str:
    return redact(text[: chars + _MARGIN])[:chars]
