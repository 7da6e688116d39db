"""The circuit breaker of one connection and model, as a step function.

               failures in a row reach `failures` within `window`
        ┌────────┐ ─────────────────────────────────────► ┌──────┐
        │ closed │                                        │ open │ ◄──────────┐
        └────────┘ ◄───────────────┐                      └──────┘            │
                    every probe    │                          │ `open` passed │ a probe
                    came back well │      ┌───────────┐       │ and a request │ failed
                                   └───── │ half-open │ ◄─────┘ asks          │
                                          └───────────┘ ──────────────────────┘

- Closed: everything passes. A success forgets the failures before it, so a provider that fails one
  request in a hundred never opens; only an unbroken row of failures inside the window does.
- Open: nothing passes until `open` is over. Results of requests that began earlier change nothing.
- Half-open: at most `half_open_probes` requests pass at a time, and that many successes close it.
  A probe that is given up (the client left) gives its place back. One that is never heard of again
  loses its place after `open`, so a lost probe cannot lock a provider out for ever.

What cannot happen: closed → half-open, open → closed, and any step by a request that is no probe
while the breaker is not closed. The breaker knows no clock: `now_s` is handed in and only grows.
"""

from __future__ import annotations

from typing import Final, assert_never

from msgspec import Struct

from omniroute.config.model import Breaker as Settings


class Closed(Struct, frozen=True, tag=True):
    failed_at_s: tuple[float, ...] = ()
    """Failures in a row, oldest first, never more than the settings' `failures`."""


class Open(Struct, frozen=True, tag=True):
    until_s: float


class HalfOpen(Struct, frozen=True, tag=True):
    generation: int
    """Tells the probes of this spell from those of an earlier one."""
    probes_s: tuple[float, ...] = ()
    """When each probe that is out began."""
    passed: int = 0


State = Closed | Open | HalfOpen
CLOSED: Final = Closed()


class Permit(Struct, frozen=True):
    """Leave to send one request; `probe` is the half-open spell it belongs to, None if closed."""

    probe: int | None = None
    began_s: float = 0.0


PASS: Final = Permit()


def ask(state: State, settings: Settings, now_s: float) -> tuple[State, Permit | None]:
    """May a request go? The state after asking, and the permit or None."""
    match state:
        case Closed():
            return state, PASS
        case Open(until_s=until_s):
            if now_s < until_s:
                return state, None
            # The spell is named by the time it began: later spells have greater names.
            state = HalfOpen(generation=int(now_s * 1000))
            return _probe(state, now_s)
        case HalfOpen():
            alive = tuple(began for began in state.probes_s if now_s - began < settings.open_s)
            if len(alive) + state.passed >= max(settings.half_open_probes, 1):
                return state, None
            return _probe(HalfOpen(state.generation, alive, state.passed), now_s)
        case _:
            assert_never(state)


def _probe(state: HalfOpen, now_s: float) -> tuple[State, Permit]:
    permit = Permit(state.generation, now_s)
    return HalfOpen(state.generation, (*state.probes_s, now_s), state.passed), permit


def succeed(state: State, settings: Settings, permit: Permit) -> State:
    """A request came back well."""
    match state:
        case Closed():
            return CLOSED if state.failed_at_s else state
        case Open():
            return state
        case HalfOpen():
            if permit.probe != state.generation:
                return state
            passed = state.passed + 1
            if passed >= max(settings.half_open_probes, 1):
                return CLOSED
            return HalfOpen(state.generation, _without(state.probes_s, permit.began_s), passed)
        case _:
            assert_never(state)


def fail(state: State, settings: Settings, permit: Permit, now_s: float) -> State:
    """A request failed in a way that speaks against the provider."""
    match state:
        case Closed(failed_at_s=failed_at_s):
            if settings.failures <= 0 or permit.probe is not None:
                return state
            recent = [at for at in failed_at_s if now_s - at < settings.window_s]
            if len(recent) + 1 >= settings.failures:
                return Open(now_s + settings.open_s)
            return Closed((*recent, now_s))
        case Open():
            return state
        case HalfOpen():
            return Open(now_s + settings.open_s) if permit.probe == state.generation else state
        case _:
            assert_never(state)


def give_back(state: State, permit: Permit) -> State:
    """A request ended without saying anything about the provider."""
    if isinstance(state, HalfOpen) and permit.probe == state.generation:
        rest = _without(state.probes_s, permit.began_s)
        return HalfOpen(state.generation, rest, state.passed)
    return state


def blocked_until_s(state: State, settings: Settings, now_s: float) -> float:
    """Until when nothing passes; in the past when something does."""
    match state:
        case Closed():
            return 0.0
        case Open(until_s=until_s):
            return until_s
        case HalfOpen():
            alive = [began for began in state.probes_s if now_s - began < settings.open_s]
            full = len(alive) + state.passed >= max(settings.half_open_probes, 1)
            return min(alive) + settings.open_s if full and alive else 0.0
        case _:
            assert_never(state)


def _without(times_s: tuple[float, ...], one_s: float) -> tuple[float, ...]:
    at = times_s.index(one_s) if one_s in times_s else len(times_s)
    return times_s[:at] + times_s[at + 1 :]
