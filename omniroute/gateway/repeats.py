"""Repeats of a request under one idempotency name: the first one's answer, given again."""

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
from omniroute.gateway.call import Inbound, Opener, Sink, Whole
from omniroute.gateway.services import Services
from omniroute.gateway.snapshot import Snapshot
from omniroute.gateway.trace import Trace
from omniroute.state.store import Fresh, Mismatch, Repeat

HEADER: Final = "X-OmniRoute-Idempotent"
MAX_ANSWER_BYTES: Final = 4 << 20
"""A longer answer is not repeated; its repeat is a request of its own."""


class Repeats:
    """One request that came under a name."""

    def __init__(self, services: Services, *, name: str, body_hash: str, window_s: float) -> None:
        self._services = services
        self._name = name
        self._hash = body_hash
        self._window_s = window_s

    @classmethod
    def of(
        cls, snapshot: Snapshot, services: Services, inbound: Inbound, caller: Caller
    ) -> Repeats | None:
        """None when the request has no name, or repeats are off. Raises RequestError."""
        window_s = snapshot.config.idempotency_window_s
        if window_s <= 0:
            return None
        name = name_of(caller, inbound.headers)
        if isinstance(name, Refuse):
            raise name.error
        if name is None:
            return None
        return cls(
            services,
            name=name,
            body_hash=body_hash(inbound.path, inbound.body),
            window_s=window_s,
        )

    async def answer(
        self, trace: Trace, opener: Opener, ask: Callable[[Opener], Awaitable[Whole | None]]
    ) -> Whole | None:
        """The first one's answer, waited for while it runs; else what `ask` gives.

        Raises RequestError (422) when the name was used for another body.
        """
        store = self._services.store
        begun = await store.begin(
            self._name, self._hash, window_s=self._window_s, now_s=self._now_s()
        )
        match begun:
            case Mismatch():
                refusal = refuse_mismatch()
                trace.decided_by = refusal.decided_by
                raise refusal.error
            case Repeat(answer):
                return self._again(trace, decode_answer(answer))
            case Fresh(token):
                return await self._first(trace, token, opener, ask)

    async def _first(
        self,
        trace: Trace,
        token: str,
        opener: Opener,
        ask: Callable[[Opener], Awaitable[Whole | None]],
    ) -> Whole | None:
        recorder = _Recorder(opener)
        answer: Answer | None = None
        try:
            whole = await ask(recorder.open)
            if whole is not None:
                answer = _answer_of(whole)
            elif trace.error_class is None:  # a stream can end well and still tell of a failure
                answer = recorder.answer()
            return whole
        finally:
            await self._services.store.finish(
                self._name,
                token,
                None if answer is None else encode_answer(answer),
                window_s=self._window_s,
                now_s=self._now_s(),
            )

    def _again(self, trace: Trace, answer: Answer) -> Whole:
        trace.decided_by = "idempotency"
        trace.status = answer.status
        trace.cost_nanousd = 0
        trace.bytes_out = len(answer.body)
        trace.first_byte()
        return Whole(
            status=answer.status,
            body=answer.body,
            content_type=answer.content_type,
            headers={**answer.headers, HEADER: "true"},
        )

    def _now_s(self) -> float:
        return self._services.clock.now().timestamp()


def _answer_of(whole: Whole) -> Answer | None:
    if len(whole.body) > MAX_ANSWER_BYTES:
        return None
    return Answer(
        status=whole.status,
        content_type=whole.content_type,
        body=whole.body,
        headers=whole.headers,
    )


class _Recorder:
    """Opens the client's stream and keeps what goes through it, up to a bound."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._head: tuple[int, dict[str, str], str] | None = None
        self._sink: Sink | None = None
        self._data = bytearray()
        self._ended = False

    async def open(self, status: int, headers: dict[str, str], content_type: str) -> Sink:
        self._sink = await self._opener(status, headers, content_type)
        self._head = (status, headers, content_type)
        return self

    async def send(self, data: bytes) -> None:
        if len(self._data) <= MAX_ANSWER_BYTES:
            self._data += data
        if self._sink is not None:
            await self._sink.send(data)

    async def end(self) -> None:
        self._ended = True
        if self._sink is not None:
            await self._sink.end()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()

    def answer(self) -> Answer | None:
        """What went out, when it went out to its end and is not too long."""
        if self._head is None or not self._ended or len(self._data) > MAX_ANSWER_BYTES:
            return None
        status, headers, content_type = self._head
        return Answer(
            status=status, content_type=content_type, body=bytes(self._data), headers=headers
        )
