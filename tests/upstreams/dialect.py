"""What a fake provider of one format is made of; the server around it is the same for all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import secrets
from typing import Any, Protocol

from msgspec import Struct

from tests.upstreams.scenario import Failure, Scenario
from tests.upstreams.seen import Seen


class Received(Struct, frozen=True, kw_only=True):
    """A request as it came; header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    body: dict[str, Any]


class Frame(Struct, frozen=True):
    """One write of a stream. A stream is cut or fails behind its middle content frame."""

    data: bytes
    content: bool = False


class Dialect(Protocol):
    """One format: its rules, and its way to say a scenario. Rules raise RefusedError."""

    name: str
    stream_type: str

    def authenticate(self, request: Received) -> None: ...

    def answer_other(self, request: Received) -> dict[str, Any] | None:
        """For what is not a chat: model lists, token counts. None when it is a chat."""
        ...

    def read(self, request: Received) -> Seen:
        """Checks everything that the real API checks, and says what it saw."""
        ...

    def whole(self, seen: Seen, scenario: Scenario) -> dict[str, Any]: ...

    def frames(self, seen: Seen, scenario: Scenario, request: Received) -> list[Frame]: ...

    def error(self, failure: Failure) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, envelope, headers."""
        ...

    def error_frame(self, failure: Failure, position: int) -> bytes:
        """`position`: how many frames stand before it."""
        ...

    def ping_frame(self) -> bytes:
        """Empty where the format has none."""
        ...


class Ids:
    """Ids in a provider's style, each once."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def new(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}{next(self._count):0{length}d}"


class Signer:
    """Signs thoughts so that only this server can have signed them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)

    def sign(self, *parts: str) -> str:
        """Base64, over 200 characters long as the real ones are."""
        digest = hmac.digest(self._key, "\x00".join(parts).encode(), hashlib.sha512)
        return base64.b64encode(digest * 3).decode()

    def is_mine(self, signature: str, *parts: str) -> bool:
        return hmac.compare_digest(self.sign(*parts).encode(), signature.encode())


def split_text(text: str, size: int = 7) -> list[str]:
    """Pieces in which a JSON text is streamed; at least one."""
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]
