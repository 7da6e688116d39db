"""Answers that are no JSON, such as audio and subtitles: they pass as they come, and nothing is
read of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from omniroute.errors import UpstreamCutError
from omniroute.translation.values import Failure, Usage

_JSON: Final = re.compile(rb'\s*\{\s*["}]')
_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html|\?xml|head)", re.IGNORECASE)


def is_refusal(first: bytes) -> bool:
    """Whether bytes for such an answer begin an object or a page: the words of an error."""
    return _JSON.match(first) is not None or _PAGE.match(first) is not None


class RawStream:
    """See `omniroute.translation.values.Stream`.

    It has no way to tell of a failure: one that breaks off is broken off for its client, too.
    """

    def __init__(self, usage: Usage) -> None:
        self.started = False
        self.done = False
        self.usage = usage
        self.stop: str | None = None
        self.failure: Failure | None = None
        self.dropped: tuple[str, ...] = ()
        self.remember: Mapping[str, Any] = {}
        self.malformed = 0
        self.chunks = 0
        self.whole = b""

    def feed(self, chunk: bytes) -> bytes:
        self.started = True
        self.chunks += 1
        return chunk

    def finish(self) -> bytes:
        if not self.started:
            raise UpstreamCutError("the upstream's answer is empty")
        return b""

    def fail(self, failure: Failure) -> bytes:
        return b""

    def ping(self) -> bytes:
        return b""

    def estimate(self) -> int:
        return 0
