"""Repeats of a request under one idempotency name: the first one's answer, given again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from omniroute.active.snapshot import Snapshot
from omniroute.admission.idempotency import (
    Answer,
    body_hash,
    decode_answer,
    encode_answer,
    name_of,
    refuse_mismatch,
)
from omniroute.admission.values import Caller, Refuse
from omniroute.answers.recording import MAX_RECORDED_BYTES, Recorded, Recorder
from omniroute.request.call import Inbound, Opener, Whole
from omniroute.request.services import Services
from omniroute.request.trace import Trace
from omniroute.state.store import Fresh, Mismatch, Repeat

HEADER: Final = "X-OmniRoute-Idempotent"


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
        recorder = Recorder(opener)
        answer: Answer | None = None
        try:
            whole = await ask(recorder.open)
            if whole is not None:
                answer = _answer_of(whole)
            elif trace.error_class is None:  # a stream can end well and still tell of a failure
                recorded = recorder.recorded()
                answer = None if recorded is None else _answer_of(recorded)
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


def _answer_of(whole: Whole | Recorded) -> Answer | None:
    if len(whole.body) > MAX_RECORDED_BYTES:
        return None
    return Answer(
        status=whole.status,
        content_type=whole.content_type,
        body=whole.body,
        headers=whole.headers,
    )
