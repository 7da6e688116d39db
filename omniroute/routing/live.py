"""The state that routing learns while it runs: health, counters, sessions; one per process.

Not thread-safe and without a clock: one event loop owns it and hands in `now_s`, a time that never
goes back. Everything is bounded: what client-chosen names could grow is kept in order of last use
and the oldest goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Final, Literal, TypeVar

from msgspec import Struct

from omniroute.config.model import Breaker as BreakerSettings
from omniroute.config.model import Cooldown as CooldownSettings
from omniroute.config.model import Ref
from omniroute.routing import breaker, cooldown
from omniroute.routing.breaker import Permit, State
from omniroute.routing.health import Change, ConnectionHealth, ModelHealth
from omniroute.routing.index import ModelIndex
from omniroute.routing.retry import Blame, RetryBudget
from omniroute.routing.values import Candidate
from omniroute.translation.values import Failure

K = TypeVar("K")
V = TypeVar("V")

MAX_MODELS: Final = 8192  # pairs of connection and model; undeclared model names come from clients
MAX_SESSIONS: Final = 10_000  # 6 to 13 MB by the length of names; the least recently used goes
_LATENCY_WEIGHT: Final = 0.2  # of the newest answer in the moving average
_SCORE_WEIGHT: Final = 0.1
DEFAULT_LIMITED_S: Final = 5.0  # a 429 without any hint
_STATES: Final[Mapping[type, Literal["open", "half_open", "closed"]]] = {
    breaker.Closed: "closed",
    breaker.Open: "open",
    breaker.HalfOpen: "half_open",
}


class Binding(Struct, frozen=True):
    """A session's candidate, by key, and when it was last used and ends."""

    key: str
    until_s: float


class Lease:
    """One attempt that is under way. Holds its records, so that a reload cannot confuse counts."""

    __slots__ = ("began_s", "candidate", "connection", "health", "permit")

    def __init__(
        self,
        candidate: Candidate,
        permit: Permit,
        health: ModelHealth,
        connection: ConnectionHealth,
        began_s: float,
    ) -> None:
        self.candidate = candidate
        self.permit = permit
        self.health = health
        self.connection = connection
        self.began_s = began_s


class Session:
    """One row of the session table. `id` is the owner's name, key id and session in one."""

    __slots__ = ("connection", "created_s", "key", "last_s", "model", "requests", "session")

    def __init__(self, session: str, key: str | None, now_s: float) -> None:
        self.session = session
        self.key = key
        self.created_s = now_s
        self.last_s = now_s
        self.requests = 0
        self.connection = ""
        self.model = ""


class LiveState:
    """Implements `LiveView`; the only place that changes it."""

    def __init__(self, *, on_change: Callable[[Change], None] | None = None) -> None:
        """`on_change` hears of every change of a breaker's or a credential's state."""
        self._on_change = on_change
        self.models: OrderedDict[str, ModelHealth] = OrderedDict()
        self.connections: dict[str, ConnectionHealth] = {}
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        self.bindings: OrderedDict[tuple[str, str], Binding] = OrderedDict()
        self._turns: OrderedDict[str, int] = OrderedDict()
        self._decks: OrderedDict[str, tuple[int, tuple[int, ...]]] = OrderedDict()
        """The card dealt last, and those still to come."""
        self._good: dict[str, str] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._declared: frozenset[str] = frozenset()
        self._identities: Mapping[str, tuple[str, str, Ref | None, object]] = {}
        """What makes a connection the same one after a reload: address, format, credential."""

    # What planners read

    def turn(self, name: str) -> int:
        """0, 1, 2, … for one name."""
        at = self._turns.get(name, 0)
        _keep(self._turns, name, at + 1, MAX_MODELS)
        return at

    def deal(self, name: str, members: Sequence[int], rng: Random) -> Sequence[int]:
        """Deal one card of `members`, then show the rest of the round in its order.

        Cards that cannot be played now stay in the deck. A new deck never starts with the card
        that ended the last one.
        """
        last, deck = self._decks.get(name, (-1, ()))
        held_back = tuple(card for card in deck if card not in members)
        left = [card for card in deck if card in members]
        if not left:
            left = rng.sample(members, len(members))
            if left[0] == last and len(left) > 1:
                at = rng.randrange(1, len(left))
                left[0], left[at] = left[at], left[0]
        _keep(self._decks, name, (left[0], (*left[1:], *held_back)), MAX_MODELS)
        return left

    def last_good(self, combo: str) -> str | None:
        """The `provider/model` that answered last."""
        return self._good.get(combo)

    def bound(self, scope: str, owner: str, now_s: float) -> str | None:
        """The candidate that a session stays with, by its key."""
        binding = self.bindings.get((scope, owner))
        if binding is None or binding.until_s <= now_s:
            return None
        return binding.key

    # An attempt's life

    def begin(self, candidate: Candidate, now_s: float) -> Lease | None:
        """Count a request in; None when the breaker says no. The queue's place is the caller's."""
        health = self.model(candidate, now_s)
        settings = candidate.resilience.breaker
        state, permit = breaker.ask(health.breaker, settings, now_s)
        self._move(candidate.key, health, state, now_s)
        _settle(health, settings, now_s)
        if permit is None:
            return None
        health.in_flight += 1
        health.uses = health.recent_uses(now_s) + 1.0
        health.uses_at_s = now_s
        return Lease(candidate, permit, health, self.connection(candidate, now_s), now_s)

    def answered(self, lease: Lease, now_s: float) -> None:
        """The first bytes of a good answer are here."""
        health, settings = lease.health, lease.candidate.resilience.breaker
        state = breaker.succeed(health.breaker, settings, lease.permit)
        self._move(lease.candidate.key, health, state, now_s)
        if health.refusals.end(lease.began_s):
            health.refused_until_s = 0.0
            self._tell_credential(lease.candidate, "accepted", of_model=True)
        if lease.connection.refusals.end(lease.began_s):
            lease.connection.blocked_until_s = 0.0
            self._tell_credential(lease.candidate, "accepted")
        _settle(health, settings, now_s)
        if lease.permit.probe is not None:
            health.wake()
        health.rests_until_s = 0.0
        health.succeeded += 1
        health.score += _SCORE_WEIGHT * (1.0 - health.score)
        latency_s, known_s = now_s - lease.began_s, health.latency_s
        health.latency_s = (
            latency_s if known_s is None else known_s + _LATENCY_WEIGHT * (latency_s - known_s)
        )

    def failed(self, lease: Lease, failure: Failure, blame: Blame, now_s: float) -> None:
        """An attempt failed; learn about whom the failure speaks of."""
        health, settings = lease.health, lease.candidate.resilience
        if blame == "provider":
            state = breaker.fail(health.breaker, settings.breaker, lease.permit, now_s)
            self._move(lease.candidate.key, health, state, now_s, failure.kind)
            # A 503's Retry-After is often a guess: the connection comes last, but may be tried.
            asked_s = min(failure.retry_after_s or 0.0, settings.retry.max_interval_s)
            rest_s = max(settings.cooldown.error_s, asked_s)
            health.rests_until_s = max(health.rests_until_s, now_s + rest_s)
        else:
            health.breaker = breaker.give_back(health.breaker, lease.permit)
        if blame == "quota":
            wait_s = _limited_for_s(settings.cooldown, health, failure, now_s)
            health.limited_until_s = max(health.limited_until_s, now_s + wait_s)
        elif blame == "credential":
            self._refuse_credential(lease, failure, now_s)
        elif blame == "model":
            rest = health.refusals.add(settings.cooldown, began_s=lease.began_s, now_s=now_s)
            if rest is not None:
                health.refused_until_s = now_s + rest
                self._tell_credential(
                    lease.candidate, "refused", failure.kind, rest_s=rest, of_model=True
                )
        _settle(health, settings.breaker, now_s)
        if lease.permit.probe is not None:
            health.wake()
        if blame != "nobody":
            health.failed += 1
            health.failed_at_s = now_s
            health.last_failure = failure.kind
            health.score -= _SCORE_WEIGHT * health.score

    def _refuse_credential(self, lease: Lease, failure: Failure, now_s: float) -> None:
        connection, settings = lease.connection, lease.candidate.resilience.cooldown
        rest_s = connection.refusals.add(settings, began_s=lease.began_s, now_s=now_s)
        if rest_s is not None:
            connection.blocked_until_s = now_s + rest_s
            connection.blocked_by = f"credential refused ({failure.kind})"
            self._tell_credential(lease.candidate, "refused", failure.kind, rest_s=rest_s)

    def give_back(self, lease: Lease, now_s: float) -> None:
        """An attempt ended without a verdict (the client left)."""
        health = lease.health
        health.breaker = breaker.give_back(health.breaker, lease.permit)
        _settle(health, lease.candidate.resilience.breaker, now_s)
        if lease.permit.probe is not None:
            health.wake()

    def ended(self, lease: Lease) -> None:
        """An attempt is over, however it went; its place in the queue is free."""
        lease.health.in_flight -= 1
        lease.connection.queue.release()

    def learn(
        self, candidate: Candidate, headers: Mapping[str, str], *, now_s: float, now: datetime
    ) -> None:
        """Take the limits out of an answer's headers, whatever its status."""
        hint_s = cooldown.read_retry_after(headers, now)
        quotas = cooldown.read_quotas(headers, now)
        if not quotas and hint_s is None and candidate.key not in self.models:
            return
        health = self.model(candidate, now_s)
        health.hinted_until_s = now_s + (hint_s or 0.0)
        if not quotas:
            return
        health.quotas, health.quotas_at_s = quotas, now_s
        health.quota_left = cooldown.share_left(quotas)
        wait_s = cooldown.exhausted_for_s(quotas)
        if wait_s > 0 and candidate.resilience.cooldown.rate_limited_s is None:
            health.limited_until_s = max(health.limited_until_s, now_s + wait_s)
            _settle(health, candidate.resilience.breaker, now_s)

    def remember_good(self, combo: str, model: str) -> None:
        self._good[combo] = model

    def bind(self, scope: str, owner: str, key: str, until_s: float) -> None:
        """A session stays with this candidate from now on."""
        _keep(self.bindings, (scope, owner), Binding(key, until_s), MAX_SESSIONS)

    def touch_session(
        self, session: str, key: str | None, candidate: Candidate, now_s: float
    ) -> None:
        """A request of a session was served; what `/api/sessions` shows."""
        owner = f"{key or ''}\n{session}"
        row = self.sessions.get(owner) or Session(session, key, now_s)
        _keep(self.sessions, owner, row, MAX_SESSIONS)
        row.last_s = now_s
        row.requests += 1
        row.connection, row.model = candidate.connection_key, candidate.model

    def budget(self, provider: str, now_s: float) -> RetryBudget:
        """The provider's retry budget."""
        found = self._budgets.get(provider)
        if found is None:
            found = self._budgets[provider] = RetryBudget(now_s)
        return found

    # Changes

    def _move(
        self, key: str, health: ModelHealth, state: State, now_s: float, reason: str = ""
    ) -> None:
        """The breaker of a record goes to that state."""
        before, health.breaker = health.breaker, state
        if type(before) is type(state):
            return
        health.breaker_since_s = now_s
        if self._on_change is not None:
            provider, connection, model = key.split("/", 2)
            self._on_change(
                Change(
                    connection=f"{provider}/{connection}",
                    model=model,
                    part="breaker",
                    state=_STATES[type(state)],
                    reason=reason,
                    rest_s=state.until_s - now_s if isinstance(state, breaker.Open) else 0.0,
                )
            )

    def _tell_credential(
        self,
        candidate: Candidate,
        state: Literal["refused", "accepted"],
        reason: str = "",
        *,
        rest_s: float = 0.0,
        of_model: bool = False,
    ) -> None:
        if self._on_change is not None:
            self._on_change(
                Change(
                    connection=candidate.connection_key,
                    model=candidate.model.split("/", 1)[1] if of_model else None,
                    part="credential",
                    state=state,
                    reason=reason,
                    rest_s=rest_s,
                )
            )

    # Records

    def model(self, candidate: Candidate, now_s: float) -> ModelHealth:
        """The record of a candidate, made when it is first used."""
        health = self.models.get(candidate.key)
        if health is None:
            health = self.models[candidate.key] = ModelHealth()
            if len(self.models) > MAX_MODELS:
                self._forget_oldest()
        health.seen_s = now_s
        return health

    def connection(self, candidate: Candidate, now_s: float) -> ConnectionHealth:
        """The record of a candidate's connection."""
        health = self.connections.get(candidate.connection_key)
        if health is None:
            health = self.connections[candidate.connection_key] = ConnectionHealth()
        health.seen_s = now_s
        return health

    def _forget_oldest(self) -> None:
        """Drop the oldest idle records of models that no file declares, an eighth at a time."""
        idle = [
            (health.seen_s, key)
            for key, health in self.models.items()
            if not health.in_flight and key not in self._declared
        ]
        for _, key in sorted(idle)[: MAX_MODELS // 8]:
            del self.models[key]

    def adopt(self, index: ModelIndex, credentials: Mapping[str, object] | None = None) -> None:
        """A new snapshot serves from now on: what it no longer has is forgotten, the rest stays.

        A connection whose credential or address changed starts with a clean record: what was
        learned speaks of another account. Requests still running on the old snapshot end well;
        their records are made anew and go with the next snapshot. `credentials` are what references
        stand for, by `provider/connection`: a variable or a file may hold another one now.
        """
        resolved = credentials or {}
        self._declared = frozenset(candidate.key for candidate in index.candidates())
        identities = {
            f"{provider.id}/{connection.id}": (
                connection.base_url or provider.base_url,
                provider.format,
                connection.api_key,
                resolved.get(f"{provider.id}/{connection.id}"),
            )
            for provider in index.config.providers.values()
            for connection in provider.connections.values()
        }
        for key, identity in self._identities.items():
            if identities.get(key) != identity:
                self._forget_connection(key)
        self._identities = identities
        names = set(index.combos) | set(index.leaves)
        for table in (self._turns, self._decks, self._good):
            for name in [name for name in table if name not in names]:
                del table[name]
        for provider in [name for name in self._budgets if name not in index.config.providers]:
            del self._budgets[provider]

    def _forget_connection(self, key: str) -> None:
        known = self.connections.pop(key, None)
        if known is not None and known.refusals.count and self._on_change is not None:
            self._on_change(Change(connection=key, part="credential", state="replaced"))
        prefix = f"{key}/"
        for name in [name for name in self.models if name.startswith(prefix)]:
            self._move(name, self.models.pop(name), breaker.CLOSED, 0.0)

    def reset(self, scope: str = "") -> int:
        """Close breakers and end rests; how many records that changed.

        `scope` is `provider/` or `provider/connection/`; empty for everything.
        """
        changed = 0
        for key, health in self.models.items():
            if not key.startswith(scope):
                continue
            if health.breaker != breaker.CLOSED or health.blocked_until_s or health.rests_until_s:
                changed += 1
            self._move(key, health, breaker.CLOSED, 0.0)
            health.refusals.clear()
            health.blocked_until_s = health.limited_until_s = 0.0
            health.refused_until_s = health.rests_until_s = 0.0
        for key, connection in self.connections.items():
            if f"{key}/".startswith(scope):
                changed += connection.blocked_until_s > 0
                connection.blocked_until_s = 0.0
                connection.refusals.clear()
        return changed


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    """Put it behind all others; the one that was put there longest ago goes where they are many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def _limited_for_s(
    settings: CooldownSettings, health: ModelHealth, failure: Failure, now_s: float
) -> float:
    """As long as the config fixes, else as the provider said, in this answer or its headers."""
    if settings.rate_limited_s is not None:
        return settings.rate_limited_s
    if failure.retry_after_s is not None:
        return failure.retry_after_s
    told_s = max(health.limited_until_s, health.hinted_until_s) - now_s
    return told_s if told_s > 0 else DEFAULT_LIMITED_S


def _settle(health: ModelHealth, settings: BreakerSettings, now_s: float) -> None:
    """Keep the one number that planners look at in step with what it is made of."""
    state = health.breaker
    until_s = 0.0
    if not isinstance(state, breaker.Closed):
        until_s = breaker.blocked_until_s(state, settings, now_s)
        half_open = isinstance(state, breaker.HalfOpen)
        health.blocked_by = "breaker half-open, probe under way" if half_open else "breaker open"
    if health.limited_until_s > until_s:
        until_s, health.blocked_by = health.limited_until_s, "rate limited"
    if health.refused_until_s > until_s:
        until_s, health.blocked_by = health.refused_until_s, "refused for this credential"
    health.blocked_until_s = until_s
