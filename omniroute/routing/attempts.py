"""One request's way through its plan, as a state machine that the pipeline drives.

    attempts = Attempts(plan, live, now_s=…, deadline_s=…, rng=…)
    while True:
        match attempts.next(now_s()):
            case Wait() as wait:   sleep, or until `wait.ticket` is granted
            case GiveUp(error):    raise error
            case Try(candidate):   send; then exactly one of
                                   attempts.failed(failure, now_s)      → go on with next()
                                   attempts.refused(failure, now_s)     → likewise, nothing sent
                                   attempts.succeeded(now_s)            → done
            …
    finally: attempts.close(now_s)

`answered` is called when the first bytes of an answer are about to reach the client: from there on
nothing is tried again, and a later `failed` only teaches the breaker. `close` may be called at any
time and more than once; an attempt still open then ends without a verdict (the client left).

Rules, in the order they apply: the deadline and the combo's `max_attempts` bound all attempts
together; another connection of the same model is tried at once; the same connection is asked again
after a short backoff, while its `retry.attempts` and the provider's retry budget last; then the
next target. What must wait long (`Retry-After`) waits behind everything that need not.
"""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec import Struct

from omniroute.errors import STATUS, Kind, RequestError, UpstreamError
from omniroute.routing.breaker import HalfOpen
from omniroute.routing.live import Lease, LiveState
from omniroute.routing.plan import (
    CONNECTION_TTL_S,
    Excluded,
    Plan,
    combos_above,
    describe,
    session_owner,
    sticky_scope,
)
from omniroute.routing.queue import Full, Go, Ticket
from omniroute.routing.retry import Verdict, backoff_s, classify, failure_of
from omniroute.routing.strategies import SPREADING
from omniroute.routing.values import Candidate
from omniroute.translation.values import Failure

PATIENCE_S: Final = 1.0  # a longer wait for the same target comes after the other targets


class Try(Struct, frozen=True):
    """Send to this one now. `number` counts attempts from 1."""

    candidate: Candidate
    number: int


class Wait(Struct, frozen=True):
    """Ask again after `seconds`, or as soon as `ticket` is granted (set its `wake`)."""

    seconds: float
    ticket: Ticket | None = None


class GiveUp(Struct, frozen=True):
    """Nothing more can be done; the error lists what was tried."""

    error: RequestError


Step = Try | Wait | GiveUp


class Tried(Struct, frozen=True, kw_only=True):
    """One attempt that ended badly, for the error's text."""

    candidate: Candidate
    failure: Failure
    sent: bool
    """False for what the gateway itself refused."""


class _Entry:
    """A candidate in the list of what is still to be tried."""

    __slots__ = ("candidate", "not_before_s", "tries")

    def __init__(self, candidate: Candidate, not_before_s: float = 0.0, tries: int = 0) -> None:
        self.candidate = candidate
        self.not_before_s = not_before_s
        self.tries = tries


class _InLine:
    """Waiting for a connection's place (ticket) or, with the place taken, for its time."""

    __slots__ = ("at_s", "entry", "give_up_s", "ticket")

    def __init__(
        self, entry: _Entry, *, ticket: Ticket | None, at_s: float, give_up_s: float
    ) -> None:
        self.entry = entry
        self.ticket = ticket
        self.at_s = at_s
        self.give_up_s = give_up_s


class Attempts:
    """The machine. One request owns it; only its public methods move it."""

    def __init__(
        self, plan: Plan, live: LiveState, *, now_s: float, deadline_s: float, rng: Random
    ) -> None:
        self.plan = plan
        self.tried: list[Tried] = []
        self.passed_over: list[str] = []
        """What was planned, but not tried when its turn came, and why."""
        self._live = live
        self._deadline_s = deadline_s
        self._rng = rng
        self._todo = [_Entry(candidate) for candidate in plan.candidates]
        self._todo += [_Entry(candidate) for candidate in plan.resting]
        self._shut: list[_Entry] = []
        """Behind a breaker: looked at again when there is nothing else."""
        self._retry_at_s: list[float] = []
        if plan.excluded:
            self._add_excluded(plan.excluded)
        self._patience_until_s: float | None = None
        self._ticket: Ticket | None = None
        self._line: _InLine | None = None
        self._lease: Lease | None = None
        self._current: _Entry | None = None
        self._count = 0
        self._committed = False
        self._stopped: RequestError | None = None
        if self._todo:
            live.budget(self._todo[0].candidate.provider.id, now_s).earn()

    def _add_excluded(self, excluded: tuple[Excluded, ...]) -> None:
        """What cannot be tried now, but perhaps before this request's time is over."""
        for one in excluded:
            if one.until_s is None:
                continue
            self._retry_at_s.append(one.until_s)
            if one.candidate is None:
                continue
            if one.waits_for_quota:
                scatter_s = self._rng.random() * PATIENCE_S / 4  # not all at once
                self._todo.append(_Entry(one.candidate, one.until_s + scatter_s))
            else:
                self._shut.append(_Entry(one.candidate))

    @property
    def count(self) -> int:
        """Attempts begun so far."""
        return self._count

    def next(self, now_s: float) -> Step:
        """What to do now."""
        if self._stopped is not None:
            return GiveUp(self._stopped)
        if now_s >= self._deadline_s:
            return self._give_up(now_s, timed_out=True)
        self._stop_waiting()
        if self._line is not None:
            step = self._in_line(self._line, now_s)
            if step is not None:
                return step
        while self._count < self.plan.max_attempts:
            entry = self._first(now_s)
            if entry is None or entry.not_before_s - now_s > PATIENCE_S:
                if self._recovered(now_s):
                    continue
                if entry is not None and not self._worth_waiting(entry, now_s):
                    self._pass_over(entry, "would have to wait too long", entry.not_before_s)
                    continue
                return self._wait_long(entry, now_s) or self._give_up(now_s)
            if entry.not_before_s > now_s:
                return Wait(entry.not_before_s - now_s)
            self._todo.remove(entry)
            step = self._queue(self._with_room(entry, now_s), now_s)
            if step is not None:
                return step
        return self._give_up(now_s)

    def answered(self, now_s: float) -> None:
        """The first bytes of a good answer go to the client: this attempt is the one."""
        lease = self._lease
        if lease is None or self._committed:
            return
        self._committed = True
        self._live.answered(lease, now_s)
        self._remember(lease.candidate, now_s)

    def succeeded(self, now_s: float) -> None:
        """The answer is complete."""
        self.answered(now_s)
        self._release()

    def failed(self, error: Failure | UpstreamError, now_s: float) -> None:
        """The attempt failed: a provider's answer as a `Failure`, or a transport's exception."""
        self._end_badly(
            error if isinstance(error, Failure) else failure_of(error), now_s, sent=True
        )

    def refused(self, failure: Failure, now_s: float) -> None:
        """The gateway itself would not send (a budget): that says nothing about the provider."""
        self._end_badly(failure, now_s, sent=False)

    def _end_badly(self, failure: Failure, now_s: float, *, sent: bool) -> None:
        lease, entry = self._lease, self._current
        if lease is None or entry is None:
            return
        verdict = classify(failure, self.plan.fallback_on)
        self._live.failed(lease, failure, verdict.blame if sent else "nobody", now_s)
        self._release()
        self.tried.append(Tried(candidate=entry.candidate, failure=failure, sent=sent))
        if lease.health.blocked_until_s > now_s:
            self._retry_at_s.append(lease.health.blocked_until_s)
        if self._committed:
            self._stopped = self._error(now_s)
            return
        self._narrow(verdict, entry)
        if verdict.again:
            self._again(entry, lease, failure, now_s)

    def close(self, now_s: float) -> None:
        """End whatever is under way, without a verdict."""
        self._stop_waiting()
        line, self._line = self._line, None
        if line is not None:
            queue = self._live.connection(line.entry.candidate, now_s).queue
            if line.ticket is not None:
                queue.withdraw(line.ticket)
            else:
                queue.release()
        if self._lease is not None:
            if not self._committed:
                self._live.give_back(self._lease, now_s)
            self._release()

    # Steps towards a try

    def _first(self, now_s: float) -> _Entry | None:
        """The next in line; one that must wait long only when all the others must."""
        if not self._todo:
            return None
        entry = self._todo[0]
        if entry.not_before_s - now_s > PATIENCE_S:
            return min(self._todo, key=lambda one: one.not_before_s)
        return entry

    def _wait_long(self, entry: _Entry | None, now_s: float) -> Wait | None:
        """Until the entry may be tried or a breaker moves, whichever comes first."""
        wait = self._await_recovery(now_s)
        if entry is None:
            return wait
        seconds = entry.not_before_s - now_s
        return Wait(seconds) if wait is None else Wait(min(seconds, wait.seconds), wait.ticket)

    def _with_room(self, entry: _Entry, now_s: float) -> _Entry:
        """The entry, or another connection of the same model that need not queue; they swap."""
        if self._has_room(entry, now_s):
            return entry
        for at, other in enumerate(self._todo):
            if (
                other.candidate.model == entry.candidate.model
                and other.not_before_s <= now_s
                and self._has_room(other, now_s)
            ):
                self._todo[at] = entry
                return other
        return entry

    def _has_room(self, entry: _Entry, now_s: float) -> bool:
        candidate = entry.candidate
        health = self._live.connections.get(candidate.connection_key)
        return health is None or health.queue.has_room(candidate.resilience.queue, now_s)

    def _queue(self, entry: _Entry, now_s: float) -> Step | None:
        """Join the connection's queue, or pass it; None when this candidate is passed over."""
        candidate = entry.candidate
        if self._blocked(entry, now_s):
            return None
        settings = candidate.resilience.queue
        queue = self._live.connection(candidate, now_s).queue
        match queue.reserve(settings, now_s):
            case Full(until_s=until_s):
                return self._pass_over(entry, "queue full", until_s)
            case Ticket() as ticket:
                give_up_s = now_s + settings.max_wait_s
                self._line = _InLine(entry, ticket=ticket, at_s=now_s, give_up_s=give_up_s)
                return self._in_line(self._line, now_s)
            case Go(at_s=at_s):
                return self._at_time(entry, at_s, now_s)

    def _in_line(self, line: _InLine, now_s: float) -> Step | None:
        entry, ticket = line.entry, line.ticket
        if ticket is None:
            return self._at_time(entry, line.at_s, now_s)
        queue = self._live.connection(entry.candidate, now_s).queue
        if not ticket.granted:
            until_s = min(line.give_up_s, self._deadline_s)
            if now_s < until_s:
                return Wait(until_s - now_s, ticket)
            self._line = None
            queue.withdraw(ticket)
            return self._pass_over(entry, "queue full", None)
        self._line = None
        match queue.schedule(entry.candidate.resilience.queue, now_s):
            case Go(at_s=at_s):
                return self._at_time(entry, at_s, now_s)
            case Full(until_s=until_s):
                return self._pass_over(entry, "queue full", until_s)

    def _at_time(self, entry: _Entry, at_s: float, now_s: float) -> Step | None:
        """A place is taken; start, or wait for the time that was reserved."""
        if at_s > now_s:
            self._line = _InLine(entry, ticket=None, at_s=at_s, give_up_s=at_s)
            return Wait(at_s - now_s)
        self._line = None
        candidate = entry.candidate
        queue = self._live.connection(candidate, now_s).queue
        # Much may have happened while this one stood in line.
        if self._blocked(entry, now_s):
            queue.release()
            return None
        if entry.tries and not self._live.budget(candidate.provider.id, now_s).spend(now_s):
            queue.release()
            return self._pass_over(entry, "retry budget used up", None)
        lease = self._live.begin(candidate, now_s)
        if lease is None:
            queue.release()
            health = self._live.model(candidate, now_s)
            self._shut.append(entry)
            return self._pass_over(entry, health.blocked_by, health.blocked_until_s)
        self._lease, self._current = lease, entry
        entry.tries += 1
        self._count += 1
        return Try(candidate, self._count)

    def _blocked(self, entry: _Entry, now_s: float) -> bool:
        """Whether health has changed since the plan; one that must wait goes behind the others."""
        candidate = entry.candidate
        connection = self._live.connections.get(candidate.connection_key)
        if connection is not None and connection.blocked_until_s > now_s:
            self._pass_over(entry, connection.blocked_by, connection.blocked_until_s)
            return True
        health = self._live.models.get(candidate.key)
        if health is None or health.blocked_until_s <= now_s:
            return False
        if health.limited_until_s >= health.blocked_until_s:
            entry.not_before_s = health.limited_until_s
            self._todo.append(entry)
        else:
            if not health.is_refused():
                self._shut.append(entry)
            self._pass_over(entry, health.blocked_by, health.blocked_until_s)
        return True

    def _recovered(self, now_s: float) -> bool:
        """Take back into the list whose breaker lets something pass again."""
        open_now = [one for one in self._shut if self._blocked_until_s(one.candidate) <= now_s]
        self._shut = [one for one in self._shut if one not in open_now]
        self._todo += open_now
        return bool(open_now)

    def _await_recovery(self, now_s: float) -> Wait | None:
        """With no other route left: wait for a breaker's time, or for the verdict of a probe.

        All such waiting of a request together is bounded by `queue.max_wait`.
        """
        if not self._shut:
            return None
        if self._patience_until_s is None:
            longest_s = max(one.candidate.resilience.queue.max_wait_s for one in self._shut)
            self._patience_until_s = min(now_s + longest_s, self._deadline_s)
        if now_s >= self._patience_until_s:
            return None
        ends_s: list[float] = []
        ticket = Ticket()
        for entry in self._shut:
            health = self._live.models.get(entry.candidate.key)
            until_s = self._blocked_until_s(entry.candidate)
            if health is not None and isinstance(health.breaker, HalfOpen):
                health.waiting[ticket] = None
                ends_s.append(min(until_s, self._patience_until_s))
            elif until_s <= self._patience_until_s:
                ends_s.append(until_s)
        if not ends_s:
            return None
        self._ticket = ticket
        return Wait(max(min(ends_s) - now_s, 0.0), ticket)

    def _blocked_until_s(self, candidate: Candidate) -> float:
        connection = self._live.connections.get(candidate.connection_key)
        health = self._live.models.get(candidate.key)
        return max(
            connection.blocked_until_s if connection is not None else 0.0,
            health.blocked_until_s if health is not None else 0.0,
        )

    def _stop_waiting(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            for entry in self._shut:
                health = self._live.models.get(entry.candidate.key)
                if health is not None:
                    health.waiting.pop(ticket, None)

    def _worth_waiting(self, entry: _Entry, now_s: float) -> bool:
        retry = entry.candidate.resilience.retry
        wait_s = entry.not_before_s - now_s
        within = wait_s <= retry.max_interval_s and entry.not_before_s < self._deadline_s
        return within and (retry.honor_retry_after or wait_s <= PATIENCE_S)

    # Consequences of a failure

    def _narrow(self, verdict: Verdict, entry: _Entry) -> None:
        """Keep only those that the failure lets us try."""
        failed = entry.candidate
        if verdict.larger_window:
            floor = failed.window or self.plan.facts.input_tokens
            larger = [one for one in self._todo if (one.candidate.window or 0) > floor]
            # What nobody declared may be large enough, and is tried when the others were.
            unknown = [one for one in self._todo if one.candidate.window is None]
            self._todo = larger + [o for o in unknown if o.candidate.model != failed.model]
        elif not verdict.next_target:
            same = failed.model if verdict.next_connection else None
            self._todo = [one for one in self._todo if one.candidate.model == same]
        elif not verdict.next_connection:
            self._todo = [one for one in self._todo if one.candidate.model != failed.model]

    def _again(self, entry: _Entry, lease: Lease, failure: Failure, now_s: float) -> None:
        """Ask the same connection once more: soon, before other targets; or late, after them."""
        retry = entry.candidate.resilience.retry
        if entry.tries >= retry.attempts:
            return
        at_s = now_s + backoff_s(retry, entry.tries, self._rng)
        asked_s = failure.retry_after_s or 0.0 if retry.honor_retry_after else 0.0
        entry.not_before_s = max(at_s, lease.health.limited_until_s, now_s + asked_s)
        fresh = sum(one.tries == 0 for one in self._todo)
        # Breadth first: a repeat must not use up an attempt that an untried route needs.
        spare = self.plan.max_attempts - self._count - fresh
        if entry.not_before_s - now_s > PATIENCE_S or spare <= 0:
            self._todo.append(entry)
            return
        model = entry.candidate.model
        siblings = [one for one in self._todo if one.candidate.model == model]
        others = [one for one in self._todo if one.candidate.model != model]
        self._todo = [*siblings, entry, *others]

    def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            self._live.ended(lease)

    def _pass_over(self, entry: _Entry, reason: str, until_s: float | None) -> None:
        if entry in self._todo:
            self._todo.remove(entry)
        self.passed_over.append(f"{describe(entry.candidate)}: {reason}")
        if until_s is not None:
            self._retry_at_s.append(until_s)

    def _remember(self, candidate: Candidate, now_s: float) -> None:
        """The candidate answered: sessions stay with it, and `lkgp` comes back to it."""
        plan, live = self.plan, self._live
        for combo in combos_above(plan.resolved, candidate):
            live.remember_good(combo, candidate.model)
        scope = sticky_scope(plan.resolved, plan.facts)
        if scope is not None:
            name, owner, ttl_s = scope
            live.bind(name, owner, candidate.key, now_s + ttl_s)
        if plan.facts.session is not None:
            live.touch_session(plan.facts.session, plan.facts.key, candidate, now_s)
        elif plan.facts.opening is None:
            return
        if candidate.provider.balance in SPREADING and len(candidate.provider.connections) > 1:
            owner = session_owner(plan.facts)
            live.bind(candidate.model, owner, candidate.key, now_s + CONNECTION_TTL_S)

    # The end

    def _give_up(self, now_s: float, *, timed_out: bool = False) -> GiveUp:
        self.close(now_s)
        self._stopped = self._error(now_s, timed_out=timed_out)
        return GiveUp(self._stopped)

    def _error(self, now_s: float, *, timed_out: bool = False) -> RequestError:
        """One error for all that happened, with the status that helps the client most."""
        waits_s = [at_s - now_s for at_s in self._retry_at_s if at_s > now_s]
        retry_after_s = min(waits_s, default=None)
        if not timed_out and self._speaks_for_all() and not self.passed_over:
            return _single(self.tried[0].failure, retry_after_s)
        parts = [
            f"{describe(one.candidate)}: {one.failure.kind} ({one.failure.status})"
            f" {_short(one.failure.message)}"
            for one in self.tried
        ]
        parts += self.passed_over
        parts += [f"{one.target}: {one.reason}" for one in self.plan.excluded]
        listing = "; ".join(parts)
        requested = self.plan.resolved.requested
        if timed_out:
            return RequestError(
                "timeout",
                f'the request\'s time was up before a route for "{requested}" answered: {listing}',
                retry_after_s=retry_after_s,
            )
        message = f'no route for "{requested}" could answer: {listing}'
        if not self.tried:
            limited = [one for one in self.plan.excluded if one.waits_for_quota]
            kind: Kind = "rate_limit" if limited else "unavailable"
            return RequestError(kind, message, code="no_route", retry_after_s=retry_after_s)
        worst = min((one.failure for one in self.tried), key=lambda f: _USEFULNESS.index(f.kind))
        providers = {one.candidate.provider.id for one in self.tried}
        return RequestError(
            worst.kind,
            message,
            status=worst.status,
            param=worst.param,
            code=worst.code,
            retry_after_s=retry_after_s if worst.status >= 429 else None,
            original=worst.original
            if len(providers) == 1 and worst.kind not in _GATEWAYS_OWN
            else None,
        )

    def _speaks_for_all(self) -> bool:
        """Whether the first failure's own words are what the client should read."""
        if len(self.tried) == 1 and self.tried[0].failure.kind not in _GATEWAYS_OWN:
            return True
        ours = bool(self.tried) and not any(one.sent for one in self.tried)
        return ours and len({one.failure.message for one in self.tried}) == 1


_GATEWAYS_OWN: Final[frozenset[Kind]] = frozenset({"authentication", "permission", "budget"})
"""What a provider holds against the gateway's account. Told in its bare words, a client would take
it for a fault of its own key; the list of attempts says whose it is."""

_USEFULNESS: Final[tuple[Kind, ...]] = (
    "context_length",
    "too_large",
    "content_filter",
    "invalid_request",
    "unprocessable",
    "not_found",
    "method_not_allowed",
    "conflict",
    "rate_limit",
    "overloaded",
    "unavailable",
    "timeout",
    "upstream",
    "connection",
    "budget",
    "permission",
    "authentication",
    "client_closed",
    "internal",
)
"""Which of several failures a client can do most about: change the request, wait, try later; what
is between the gateway and its providers comes last."""


def _single(failure: Failure, retry_after_s: float | None) -> RequestError:
    return RequestError(
        failure.kind,
        failure.message,
        status=failure.status or STATUS[failure.kind],
        param=failure.param,
        code=failure.code,
        retry_after_s=failure.retry_after_s or (retry_after_s if failure.status >= 429 else None),
        original=failure.original,
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"
