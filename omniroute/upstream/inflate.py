"""Content codings of answers, which nobody asked for: undone at the pace of who reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from omniroute.errors import CodingError, UpstreamCutError
from omniroute.wire.coding import Inflater


class ByteSource(Protocol):
    async def __call__(self) -> bytes: ...


def undone_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The head as it fits the decoded body: without the coding, and without its length."""
    return {k: v for k, v in headers.items() if k not in ("content-encoding", "content-length")}


class Inflate:
    """Decodes one body; `read` takes encoded bytes from `source` only when it needs them."""

    def __init__(self, coding: str, source: ByteSource) -> None:
        """Raises UpstreamCutError for a coding that cannot be undone."""
        try:
            self._inflater = Inflater(coding)
        except CodingError as error:
            raise UpstreamCutError(f"the provider's answer, unasked: {error}") from error
        self._source = source

    async def read(self) -> bytes:
        """A bounded piece of the decoded body, `b""` at its end."""
        while not (data := self._step()):
            more = await self._source()
            if not more:
                if not self._inflater.is_whole:
                    raise UpstreamCutError("the provider's compressed answer ends too early")
                return b""
            self._inflater.feed(more)
        return data

    def _step(self) -> bytes:
        try:
            return self._inflater.step()
        except CodingError as error:
            raise UpstreamCutError(f"the provider's compressed answer: {error}") from error
