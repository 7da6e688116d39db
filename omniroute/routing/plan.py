"""Targets times connections to ordered candidates, with a reason for each one left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from random import Random
from typing import Final

from msgspec import Struct

from omniroute.config.model import Combo, Mark, ModelKind
from omniroute.errors import ExpressionError, RequestError
from omniroute.routing.strategies import BALANCES, SPREADING, STRATEGIES, WANDERING, Turn
from omniroute.routing.values import Branch, Candidate, Child, Leaf, Option, Resolved
from omniroute.routing.view import LiveView

_NOBODY: Final = ""


class RouteFacts(Struct, frozen=True, kw_only=True):
    """What routing needs to know of a request."""

    input_tokens: int = 0
    """Estimate."""
    output_tokens: int = 0
    """Expected, at most what the client allows."""
    needs: frozenset[str] = frozenset()
    """Capabilities that the answer depends on: tools, vision, json_schema, reasoning."""
    kind: ModelKind = "chat"
    formats: frozenset[str] | None = None
    """Those in which models of that kind can be asked; None for any."""
    session: str | None = None
    opening: str | None = None
    """What keeps an agent's requests together where no session does: how they all begin."""
    key: str | None = None
    """Id of the API key; sessions of different keys never mix."""
    document: Mapping[str, object] = {}
    """What a target's `when` is evaluated on, the same as for policies."""


class Excluded(Struct, frozen=True, kw_only=True):
    """Something that was not planned, and why."""

    target: str
    """`provider/model via connection`, or the target as the combo writes it."""
    reason: str
    mark: Mark | None = None
    until_s: float | None = None
    """When it may be tried again, on the clock that was handed in; None: not for this request."""
    waits_for_quota: bool = False
    candidate: Candidate | None = None
    """What may be waited for; None where that would hardly help, as with a refused credential."""


class Plan(Struct, frozen=True, kw_only=True):
    """In the order to be tried. `resting` failed a moment ago: tried when the others did not help.

    `held` tells that a session's own candidate was put in front; `relayed_from` that a session
    leaves its candidate (by key), because that one cannot be tried now.
    """

    resolved: Resolved
    facts: RouteFacts
    candidates: tuple[Candidate, ...]
    resting: tuple[Candidate, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    held: bool = False
    relayed_from: str | None = None

    @property
    def fallback_on(self) -> tuple[str, ...]:
        node = self.resolved.node
        return node.combo.fallback_on if isinstance(node, Branch) else ()

    @property
    def max_attempts(self) -> int:
        """The combo's bound; a single model is bounded by its connections."""
        node = self.resolved.node
        if isinstance(node, Branch):
            return node.combo.max_attempts
        return sum(max(c.resilience.retry.attempts, 1) for c in node.candidates)


def plan(
    resolved: Resolved, facts: RouteFacts, live: LiveView, *, now_s: float, rng: Random
) -> Plan:
    """The order in which to try what `resolved` stands for.

    Raises RequestError invalid_request when no target can ever serve this request: another kind of
    model, a capability or a condition that none has. Temporary trouble is not an error here: it is
    in `excluded`, with the time when it is over.
    """
    planner = _Planner(facts, live, now_s, rng)
    ready, resting = planner.order(resolved.node)
    if not ready and not resting and planner.too_small:
        # The estimate is only an estimate: the largest window may hold it after all.
        largest = max(candidate.window or 0 for candidate in planner.too_small)
        ready = [candidate for candidate in planner.too_small if candidate.window == largest]
    excluded = tuple(planner.excluded)
    if not ready and not resting:
        _refuse_hopeless(resolved, excluded)
    held, relayed_from = False, None
    scope = sticky_scope(resolved, facts)
    if scope is not None:
        key = live.bound(scope[0], scope[1], now_s)
        if key is not None:
            held = _to_front(ready, key)
            relayed_from = None if held else key
    return Plan(
        resolved=resolved,
        facts=facts,
        candidates=_distinct(ready),
        resting=_distinct(resting),
        excluded=excluded,
        held=held,
        relayed_from=relayed_from,
    )


def sticky_scope(resolved: Resolved, facts: RouteFacts) -> tuple[str, str, float] | None:
    """(scope, owner, ttl) under which a request stays with its candidate, None when it does not."""
    node = resolved.node
    if isinstance(node, Leaf):
        return None
    sticky = node.combo.sticky
    if sticky is not None:
        if sticky.by == "key":
            return (node.combo.id, f"{facts.key}", sticky.ttl_s) if facts.key else None
        if sticky.by == "none":
            return None
        ttl_s = sticky.ttl_s
    elif node.combo.strategy == "context-relay" or _is_agent_on_tour(node.combo, facts):
        ttl_s = CONNECTION_TTL_S
    else:
        return None
    return (node.combo.id, session_owner(facts), ttl_s) if is_one_of_many(facts) else None


def _is_agent_on_tour(combo: Combo, facts: RouteFacts) -> bool:
    """An agent sends its whole history with each request, and where each goes to another provider,
    none has it in its cache."""
    return "tools" in facts.needs and combo.strategy in WANDERING


def is_one_of_many(facts: RouteFacts) -> bool:
    """Whether it is known what other requests this one goes with."""
    return facts.session is not None or facts.opening is not None


CONNECTION_TTL_S: Final = 1800.0  # providers keep a prompt cache for minutes, at most an hour


def session_owner(facts: RouteFacts) -> str:
    """A session's name, or what stands for one, that no other key's session can have."""
    return f"{facts.key or _NOBODY}\n{facts.session or facts.opening}"


def _distinct(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """The same connection and model, reached through two combos, is tried once."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.key, candidate)
    return tuple(first.values())


def _to_front(ready: list[Candidate], key: str) -> bool:
    for at, candidate in enumerate(ready):
        if candidate.key == key:
            ready.insert(0, ready.pop(at))
            return True
    return False


class Check(Enum):
    """Whether a candidate can be tried now."""

    READY = 1
    RESTS = 2
    OUT = 3


_READY: Final = Check.READY  # global look-ups: an enum's member costs twice as much each time
_RESTS: Final = Check.RESTS


class _Planner:
    """One request's walk down a combo. Collects what it leaves out, with reasons."""

    __slots__ = ("_connections", "_facts", "_live", "_models", "_now_s", "_rng", "excluded")

    def __init__(self, facts: RouteFacts, live: LiveView, now_s: float, rng: Random) -> None:
        self._facts = facts
        self._live = live
        self._models = live.models
        self._connections = live.connections
        self._now_s = now_s
        self._rng = rng
        self.excluded: list[Excluded] = []

    @property
    def too_small(self) -> list[Candidate]:
        """Left out only because the estimate exceeds their window."""
        return [e.candidate for e in self.excluded if e.candidate and e.reason is TOO_SMALL]

    def order(self, node: Leaf | Branch, *, chosen: bool = False) -> _Order:
        """Candidates to try, and those that rest, each in order.

        `chosen`: by us for a combo, so what cannot serve is left out; else the client asked for it.
        """
        if isinstance(node, Branch):
            return self._branch(node)
        options: list[Option] = []
        resting: list[Candidate] = []
        for at, candidate in enumerate(node.candidates):
            check = self._check(candidate, chosen=chosen)
            if check is _READY:
                options.append(Option(at, candidate.connection.weight, (candidate,)))
            elif check is _RESTS:
                resting.append(candidate)
        if len(options) > 1:
            return self._balance(node, options), resting
        return [option.group[0] for option in options], resting

    def _branch(self, branch: Branch) -> _Order:
        options: list[Option] = []
        resting: list[Candidate] = []
        for child in branch.children:
            if child.when is not None and not self._holds(child):
                continue
            option = child.option
            if option is None:
                ready, tired = self.order(child.node, chosen=True)
                if ready:
                    options.append(Option(child.index, child.weight, tuple(ready)))
                resting += tired
                continue
            check = self._check(option.group[0], chosen=True)
            if check is _READY:
                options.append(option)
            elif check is _RESTS:
                resting.append(option.group[0])
        if len(options) > 1:
            options = STRATEGIES[branch.combo.strategy](options, self._turn(branch.combo.id))
        return [candidate for option in options for candidate in option.group], resting

    def _check(self, candidate: Candidate, *, chosen: bool) -> Check:
        facts, now_s = self._facts, self._now_s
        if candidate.unavailable is not None:
            return self._leave_out(candidate, candidate.unavailable)
        format = candidate.provider.format
        if facts.formats is not None and format not in facts.formats:
            return self._leave_out(candidate, f"the format {format} has no {facts.kind}s")
        if chosen:
            # The window is looked at last: only an estimate speaks against it, see `plan`. It is a
            # conversation's; each input of an embedding model has one for itself.
            window, capabilities = candidate.window, candidate.capabilities
            if candidate.kind is not None and candidate.kind != facts.kind:
                return self._leave_out(candidate, f"is no {facts.kind} model")
            if capabilities is not None and not facts.needs <= capabilities:
                lacking = ", ".join(sorted(facts.needs - capabilities))
                return self._leave_out(candidate, f"lacks {lacking}")
            if window is not None and facts.kind == "chat" and facts.input_tokens > window:
                return self._leave_out(candidate, TOO_SMALL)
        connection = self._connections.get(candidate.connection_key)
        if connection is not None and connection.blocked_until_s > now_s:
            return self._leave_out(
                candidate, connection.blocked_by, connection.blocked_until_s, worth_waiting=False
            )
        health = self._models.get(candidate.key)
        if health is None:
            return _READY
        if health.blocked_until_s > now_s:
            return self._leave_out(
                candidate,
                health.blocked_by,
                health.blocked_until_s,
                waits_for_quota=health.limited_until_s >= health.blocked_until_s,
                worth_waiting=not health.is_refused(),
            )
        return _RESTS if health.rests_until_s > now_s else _READY

    def _balance(self, leaf: Leaf, options: list[Option]) -> list[Candidate]:
        """By priority; a balance that spreads does so among those of the best priority."""
        balance = leaf.provider.balance
        options.sort(key=lambda option: option.group[0].connection.priority)
        best = options[0].group[0].connection.priority
        equal = options
        if balance in SPREADING:
            equal = [one for one in options if one.group[0].connection.priority == best]
        options[: len(equal)] = BALANCES[balance](equal, self._turn(leaf.id))
        ready = [option.group[0] for option in options]
        if balance in SPREADING and is_one_of_many(self._facts):
            key = self._live.bound(leaf.id, session_owner(self._facts), self._now_s)
            if key is not None:
                _to_front(ready, key)
        return ready

    def _turn(self, name: str) -> Turn:
        return Turn(
            name=name,
            live=self._live,
            now_s=self._now_s,
            rng=self._rng,
            input_tokens=self._facts.input_tokens,
            output_tokens=self._facts.output_tokens,
        )

    def _holds(self, child: Child) -> bool:
        try:
            held = child.when is None or child.when(self._facts.document)
        except ExpressionError as error:
            reason = f"`when` failed: {error}"
        else:
            # JMESPath's own rule: false, null and what is empty do not hold; 0 does.
            if held is not None and held is not False and held not in ("", [], {}):
                return True
            reason = f"`when` does not hold: {child.when_text}"
        self.excluded.append(Excluded(target=child.target, reason=reason, mark=child.mark))
        return False

    def _leave_out(
        self,
        candidate: Candidate,
        reason: str,
        until_s: float | None = None,
        *,
        waits_for_quota: bool = False,
        worth_waiting: bool = True,
    ) -> Check:
        self.excluded.append(
            Excluded(
                target=describe(candidate),
                reason=reason,
                mark=candidate.mark,
                until_s=until_s,
                waits_for_quota=waits_for_quota,
                candidate=candidate if worth_waiting else None,
            )
        )
        return Check.OUT


_Order = tuple[list[Candidate], list[Candidate]]
TOO_SMALL: Final = "the request exceeds its context window"


def describe(candidate: Candidate) -> str:
    """A candidate in words: `provider/model via connection`."""
    return f"{candidate.model} via {candidate.connection.id}"


def path_of(resolved: Resolved, candidate: Candidate) -> tuple[str, ...]:
    """The names from what was asked for down to the model: aliases, combos, model."""
    names = [hop.name for hop in resolved.via]
    names += _below(resolved.node, candidate) or [candidate.model]
    return tuple(names)


def _below(node: Leaf | Branch, candidate: Candidate) -> list[str] | None:
    if isinstance(node, Leaf):
        return [node.id] if any(one is candidate for one in node.candidates) else None
    for child in node.children:
        rest = _below(child.node, candidate)
        if rest is not None:
            return [node.combo.id, *rest]
    return None


def combos_above(resolved: Resolved, candidate: Candidate) -> Iterator[str]:
    """The combos that a candidate was reached through."""
    if isinstance(resolved.node, Branch):
        yield from (_below(resolved.node, candidate) or [resolved.id, ""])[:-1]


def _refuse_hopeless(resolved: Resolved, excluded: tuple[Excluded, ...]) -> None:
    """Raise when nothing was left out for a reason that passes or that is ours to mend."""
    if any(e.until_s is not None for e in excluded):
        return
    if any(e.candidate is not None and e.candidate.unavailable for e in excluded):
        return
    why = "; ".join(f"{e.target}: {e.reason}" for e in excluded)
    raise RequestError(
        "invalid_request",
        f'no target of "{resolved.requested}" can serve this request: {why}',
        param="model",
        code="no_target",
    )
