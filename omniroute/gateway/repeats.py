"""Idempotency around a run: a repeat gets the first one's bytes, or waits for them.

The caller must be identified before: a repeat from an address or key that is refused now must not
see what was answered before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from omniroute.admission.idempotency import (
    Answer,
    body_hash,
    decode_answer,
    encode_answer,
    name_of,
    refuse_mismatch,
)
from omniroute.admission.values import Caller, Refuse
from omniroute.base.clock import Clock
from omniroute.gateway.call import Inbound, Opener, Sink, Whole
from omniroute.state.store import Fresh, Mismatch, Repeat, Store

MAX_KEPT_BYTES: Final = 4 << 20
"""A longer answer is not kept: its repeat is sent again."""
REPEATED: Final = "X-OmniRoute-Idempotent"
_OWN_HEADERS: Final = frozenset(("x-request-id", "content-length"))

Run = Callable[[Opener], Awaitable[Whole | None]]


async def once(
    run: Run,
    opener: Opener,
    *,
    store: Store,
    clock: Clock,
    caller: Caller,
    inbound: Inbound,
    window_s: float,
    failed: Callable[[], bool],
) -> Whole | Refuse | None:
    """What `run` answers, or the kept answer of an equal request; as `run`, None for a stream.

    `failed` tells after `run` whether a stream ended with an error: nothing failed is kept.
    """
    name = name_of(caller, inbound.headers) if window_s > 0 else None
    if name is None or isinstance(name, Refuse):
        return name if name is not None else await run(opener)
    begun = await store.begin(
        name,
        body_hash(inbound.path, inbound.body),
        window_s=window_s,
        now_s=clock.now().timestamp(),
    )
    match begun:
        case Mismatch():
            return refuse_mismatch()
        case Repeat(answer):
            return _again(decode_answer(answer), inbound.request_id)
        case Fresh(token):
            return await _first(
                run,
                opener,
                failed=failed,
                finish=lambda answer: store.finish(
                    name,
                    token,
                    answer,
                    window_s=window_s,
                    now_s=clock.now().timestamp(),
                ),
            )


async def _first(
    run: Run,
    opener: Opener,
    *,
    failed: Callable[[], bool],
    finish: Callable[[bytes | None], Awaitable[None]],
) -> Whole | None:
    copies: list[_Copy] = []

    async def copying(status: int, headers: dict[str, str], content_type: str) -> Sink:
        copy = _Copy(await opener(status, headers, content_type), status, headers, content_type)
        copies.append(copy)
        return copy

    kept: Answer | None = None
    try:
        whole = await run(copying)
        if whole is not None and whole.status < 400:
            kept = Answer(
                status=whole.status,
                content_type=whole.content_type,
                body=whole.body,
                headers=whole.headers,
            )
        elif copies and not failed():
            kept = copies[-1].answer()
        return whole
    finally:
        small = kept is not None and len(kept.body) <= MAX_KEPT_BYTES
        await finish(encode_answer(kept) if small else None)


def _again(answer: Answer, request_id: str) -> Whole:
    headers = {
        name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS
    }
    headers["X-Request-Id"] = request_id
    headers[REPEATED] = "true"
    return Whole(
        status=answer.status,
        body=answer.body,
        headers=headers,
        content_type=answer.content_type,
    )


class _Copy:
    """A sink that remembers what went through it, up to a bound."""

    def __init__(self, sink: Sink, status: int, headers: dict[str, str], content_type: str) -> None:
        self._sink = sink
        self._head = (status, headers, content_type)
        self._parts: list[bytes] = []
        self._size = 0
        self._ended = False

    def answer(self) -> Answer | None:
        """The whole stream; None when it was cut or is too long."""
        if not self._ended or self._size > MAX_KEPT_BYTES:
            return None
        status, headers, content_type = self._head
        return Answer(
            status=status,
            content_type=content_type,
            body=b"".join(self._parts),
            headers=headers,
        )

    async def send(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MAX_KEPT_BYTES:
            self._parts.append(data)
        else:
            self._parts.clear()
        await self._sink.send(data)

    async def end(self) -> None:
        self._ended = True
        await self._sink.end()

    def abort(self) -> None:
        self._sink.abort()
