"""Repeats of a request under one idempotency name: the first one's answer, given again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from omniroute.admission.idempotency import (
    StoredAnswer,
    body_hash,
    decode_answer,
    encode_answer,
    name_of,
    refuse_mismatch,
)
from omniroute.admission.values import Caller, Refuse
from omniroute.answers.recording import MAX_RECORDED_BYTES, Recorded, Recorder
from omniroute.request.inbound import Opener, Whole
from omniroute.request.request import Request
from omniroute.state.store import Fresh, Mismatch, Repeat

HEADER: Final = "X-OmniRoute-Idempotent"


class Repeats:
    """One request that came under a name."""

    def __init__(self, request: Request, *, name: str, body_hash: str, window_s: float) -> None:
        self._request = request
        self._store = request.services.store
        self._name = name
        self._hash = body_hash
        self._window_s = window_s

    @classmethod
    def of(cls, request: Request, caller: Caller) -> Repeats | None:
        """None when the request has no name, or repeats are off. Raises RequestError."""
        window_s = request.snapshot.config.idempotency.window_s
        if window_s <= 0:
            return None
        inbound = request.inbound
        name = name_of(caller, inbound.headers)
        if isinstance(name, Refuse):
            raise request.refused(name)
        if name is None:
            return None
        return cls(
            request,
            name=name,
            body_hash=body_hash(inbound.path, inbound.body),
            window_s=window_s,
        )

    async def answer(
        self, opener: Opener, ask: Callable[[Opener], Awaitable[Whole | None]]
    ) -> Whole | None:
        """The first one's answer, waited for while it runs; else what `ask` gives.

        Raises RequestError (422) when the name was used for another body.
        """
        begun = await self._store.begin(
            self._name, self._hash, window_s=self._window_s, now_s=self._now_s()
        )
        match begun:
            case Mismatch():
                raise self._request.refused(refuse_mismatch())
            case Repeat(answer):
                return self._again(decode_answer(answer))
            case Fresh(token):
                return await self._first(token, opener, ask)

    async def _first(
        self, token: str, opener: Opener, ask: Callable[[Opener], Awaitable[Whole | None]]
    ) -> Whole | None:
        recorder = Recorder(opener)
        answer: StoredAnswer | None = None
        try:
            whole = await ask(recorder.open)
            if whole is not None:
                answer = _answer_of(whole)
            elif (
                self._request.record.error_class is None
            ):  # a stream can end well and still tell of a failure
                recorded = recorder.recorded()
                answer = None if recorded is None else _answer_of(recorded)
            return whole
        finally:
            await self._store.finish(
                self._name,
                token,
                None if answer is None else encode_answer(answer),
                window_s=self._window_s,
                now_s=self._now_s(),
            )

    def _again(self, answer: StoredAnswer) -> Whole:
        record = self._request.record
        record.decided_by = "idempotency"
        record.status = answer.status
        record.cost_nanousd = 0
        record.bytes_out = len(answer.body)
        self._request.first_byte()
        return Whole(
            status=answer.status,
            body=answer.body,
            content_type=answer.content_type,
            headers={**answer.headers, HEADER: "true"},
        )

    def _now_s(self) -> float:
        return self._request.services.clock.now().timestamp()


def _answer_of(whole: Whole | Recorded) -> StoredAnswer | None:
    if len(whole.body) > MAX_RECORDED_BYTES:
        return None
    return StoredAnswer(
        status=whole.status,
        content_type=whole.content_type,
        body=whole.body,
        headers=whole.headers,
    )
