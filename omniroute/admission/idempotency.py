"""Repeats of a request: under which name it is known, and what a wrong repeat is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from omniroute.admission.values import Caller, Refuse
from omniroute.errors import RequestError

HEADERS: Final = ("idempotency-key", "x-request-id")
MAX_NAME_CHARS: Final = 255


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The first one's whole answer, streamed or not, to be given again byte by byte."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = {}


encode_answer: Final = msgspec.msgpack.Encoder().encode
decode_answer: Final = msgspec.msgpack.Decoder(StoredAnswer).decode


def name_of(caller: Caller, headers: Mapping[str, str]) -> str | Refuse | None:
    """The name that a repeat would come under, apart for every key; None when none was given."""
    given = next((headers[name] for name in HEADERS if headers.get(name)), None)
    if given is None:
        return None
    if len(given) > MAX_NAME_CHARS:
        return Refuse(
            error=RequestError(
                "invalid_request",
                f"Idempotency-Key may have at most {MAX_NAME_CHARS} characters",
                code="invalid_idempotency_key",
            ),
            decided_by="idempotency",
        )
    return f"{caller.key_id or ''}|{given}"


def body_hash(path: str, body: bytes) -> str:
    """What a repeat must share with the first one."""
    return hashlib.sha256(path.encode() + b"\n" + body).hexdigest()


def refuse_mismatch() -> Refuse:
    return Refuse(
        error=RequestError(
            "unprocessable",
            "this Idempotency-Key was used for another request",
            code="idempotency_mismatch",
        ),
        decided_by="idempotency",
    )
