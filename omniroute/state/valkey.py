"""The store that several workers or machines share: one script, one round trip per admission.

When it is away, each promise fails in its own way, and `docs/shared-state.md` says so: windows and
slots are counted by this worker alone, budgets that enforce refuse, kept values are not found,
repeats are not recognised, and settlements wait here until the store is back.

A reservation is leased. The worker that holds it renews the lease; when a worker dies its slots
come free and its reservations are charged as estimated.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import orjson

from omniroute.base.clock import Clock, SystemClock
from omniroute.state.link import Link, StoreAwayError
from omniroute.state.memory import MemoryStore
from omniroute.state.store import (
    Balance,
    Begun,
    BudgetTake,
    Fresh,
    Mismatch,
    Repeat,
    Reservation,
    Shortage,
    Space,
    SpaceStats,
    Spent,
    Taken,
)

LEASE_S: Final = 60.0
RENEW_S: Final = 15.0  # three may fail before a lease lapses
FLUSH_S: Final = 1.0
PEEK: Final = 50  # values looked at in one step; others wait for the server meanwhile
MAX_LATE: Final = 10_000  # settlements kept while the store is away; beyond it the oldest are lost
_LOCAL: Final = "local:"
_NOTHING: Final = Taken(id="", reservation=Reservation(), at_s=0.0)
_log = logging.getLogger("omniroute.state")


class _Late(NamedTuple):
    """A settlement that is still to be made; `void` for a reservation whose answer never came."""

    taken: Taken
    tokens: int | None
    cost_nanousd: int | None
    void: bool = False


class ValkeyStore:
    """See `Store`. `prefix` keeps several gateways on one server apart."""

    name = "valkey"

    def __init__(self, url: str, *, prefix: str = "omniroute", clock: Clock | None = None) -> None:
        self._link = Link(url)
        # The braces keep all keys in one slot of a cluster, as scripts over many keys need.
        self._prefix = f"{{{prefix}}}"
        self._clock = clock or SystemClock()
        self._worker = uuid.uuid4().hex[:12]
        self._count = 0
        self._open: dict[str, Taken] = {}
        self._runs: dict[str, str] = {}
        self._late: deque[_Late] = deque(maxlen=MAX_LATE)
        self._alone = MemoryStore()

    @property
    def available(self) -> bool:
        return self._link.available

    async def take(self, reservation: Reservation, now_s: float) -> Taken | Shortage:
        if not (reservation.windows or reservation.slots or reservation.budgets):
            return _NOTHING
        taken = Taken(id=self._new_id(), reservation=reservation, at_s=now_s)
        ask: dict[str, object] = {
            "id": taken.id,
            "now": now_s,
            "lease": LEASE_S,
            "windows": [
                {"limit": take.limit, "window": take.window_s, "cost": take.cost}
                for take in reservation.windows
            ],
            "slots": [{"limit": take.limit} for take in reservation.slots],
            "budgets": [
                {
                    "limit": take.limit_nanousd,
                    "cost": take.cost_nanousd,
                    "enforce": take.enforce,
                    **_ttl(take, now_s),
                }
                for take in reservation.budgets
            ],
        }
        try:
            answer = await self._link.run("take", self._claim_keys(taken), (orjson.dumps(ask),))
        except StoreAwayError as away:
            if away.sent:
                self._late.append(_Late(taken, 0, 0, void=True))
            return await self._take_alone(reservation, now_s)
        except asyncio.CancelledError:
            # The client left before the answer came: whatever was taken is given back.
            self._late.append(_Late(taken, 0, 0, void=True))
            raise
        if answer:
            return _shortage(reservation, answer)
        self._open[taken.id] = taken
        return taken

    async def _take_alone(self, reservation: Reservation, now_s: float) -> Taken | Shortage:
        for budget in reservation.budgets:
            if budget.enforce:
                return Shortage(take=budget, used=0, away=True)
        result = await self._alone.take(
            Reservation(windows=reservation.windows, slots=reservation.slots), now_s
        )
        if isinstance(result, Shortage):
            return result
        return Taken(id=_LOCAL + result.id, reservation=reservation, at_s=now_s)

    async def settle(
        self, taken: Taken, *, now_s: float, tokens: int | None = None, cost_nanousd: int | None
    ) -> tuple[Spent, ...]:
        if taken.id.startswith(_LOCAL):
            local = Taken(
                id=taken.id.removeprefix(_LOCAL), reservation=taken.reservation, at_s=taken.at_s
            )
            await self._alone.settle(local, now_s=now_s, tokens=tokens, cost_nanousd=cost_nanousd)
            # Budgets that only warn were not reserved, but what was spent counts.
            rest = Reservation(budgets=taken.reservation.budgets)
            if rest.budgets:
                late = Taken(id=self._new_id(), reservation=rest, at_s=taken.at_s)
                self._late.append(_Late(late, tokens, cost_nanousd))
            return ()
        if self._open.pop(taken.id, None) is None:
            return ()
        try:
            return await self._settle(_Late(taken, tokens, cost_nanousd))
        except (StoreAwayError, asyncio.CancelledError) as error:
            self._late.append(_Late(taken, tokens, cost_nanousd))
            if isinstance(error, asyncio.CancelledError):
                raise
            return ()

    async def _settle(self, late: _Late) -> tuple[Spent, ...]:
        taken, tokens, cost_nanousd = late.taken, late.tokens, late.cost_nanousd
        reservation = taken.reservation
        now_s = self._clock.now().timestamp()
        ask: dict[str, object] = {
            "id": taken.id,
            "at": taken.at_s,
            "void": late.void,
            "windows": [
                {"cost": take.cost, "tokens": take.unit == "tokens"} for take in reservation.windows
            ],
            "slots": [{}] * len(reservation.slots),
            "budgets": [
                {"cost": take.cost_nanousd, **_ttl(take, now_s)} for take in reservation.budgets
            ],
        }
        if tokens is not None:
            ask["tokens"] = tokens
        if cost_nanousd is not None:
            ask["cost"] = cost_nanousd
        moves = await self._link.run("settle", self._claim_keys(taken), (orjson.dumps(ask),))
        return tuple(
            Spent(take=take, before_nanousd=int(before), after_nanousd=int(after))
            for take, (before, after) in zip(reservation.budgets, moves, strict=True)
        )

    async def balances(self, keys: tuple[str, ...]) -> tuple[Balance, ...]:
        found = list[Balance]()
        for key in keys:
            try:
                spent, reserved = await self._link.command(
                    "HMGET", self._key("b", key), "spent", "reserved"
                )
            except StoreAwayError:
                spent = reserved = None
            found.append(Balance(int(spent or 0), int(reserved or 0)))
        return tuple(found)

    async def restore(
        self, spent_nanousd: Mapping[str, int], *, expires_at_s: float | None, overwrite: bool
    ) -> None:
        for key, spent in spent_nanousd.items():
            counter = self._key("b", key)
            await self._link.command("HSET" if overwrite else "HSETNX", counter, "spent", spent)
            if expires_at_s is not None:
                await self._link.command("EXPIREAT", counter, int(expires_at_s))

    async def get(self, space: Space, key: str, now_s: float) -> bytes | None:
        try:
            return await self._link.run(
                "get", (self._value(space, key), *self._space_keys(space)), (key, now_s)
            )
        except StoreAwayError:
            return None

    async def put(
        self, space: Space, key: str, value: bytes, *, ttl_s: float, now_s: float
    ) -> None:
        args = (key, now_s, value, ttl_s, space.max_entries, space.max_bytes)
        try:
            await self._link.run(
                "put",
                (self._value(space, key), *self._space_keys(space)),
                (*args, self._value(space, "")),
            )
        except StoreAwayError:
            _log.debug("not kept, the shared store is away")

    async def names(self, space: Space, since_s: float) -> tuple[str, ...]:
        index = self._space_keys(space)[0]
        try:
            found = await self._link.command("ZRANGEBYSCORE", index, since_s, "+inf")
        except StoreAwayError:
            return ()
        return tuple(key.decode() for key in found)

    async def peek(self, space: Space, keys: tuple[str, ...], now_s: float) -> dict[str, bytes]:
        found = dict[str, bytes]()
        try:
            for start in range(0, len(keys), PEEK):
                some = keys[start : start + PEEK]
                values = await self._link.run(
                    "peek", [self._value(space, key) for key in some], (now_s,)
                )
                found.update((key, value) for key, value in zip(some, values, strict=True) if value)
        except StoreAwayError:
            _log.debug("not looked at, the shared store is away")
        return found

    async def delete(self, space: Space, key: str) -> None:
        await self._link.run("delete", self._space_keys(space), (self._value(space, ""), key))

    async def clear(self, space: Space) -> int:
        return await self._link.run("delete", self._space_keys(space), (self._value(space, ""),))

    async def stats(self, space: Space) -> SpaceStats:
        index, counts, _ = self._space_keys(space)
        try:
            entries = await self._link.command("ZCARD", index)
            numbers = await self._link.command(
                "HMGET", counts, "bytes", "hits", "misses", "evictions"
            )
        except StoreAwayError:
            return SpaceStats()
        size_bytes, hits, misses, evictions = (int(number or 0) for number in numbers)
        return SpaceStats(
            entries=entries, size_bytes=size_bytes, hits=hits, misses=misses, evictions=evictions
        )

    async def begin(self, name: str, body_hash: str, *, window_s: float, now_s: float) -> Begun:
        token = self._new_id()
        pause_s = 0.01
        started_s = asyncio.get_running_loop().time()
        while True:
            waited_s = asyncio.get_running_loop().time() - started_s
            try:
                answer = await self._link.run(
                    "begin",
                    self._run_keys(name),
                    (body_hash, token, now_s + waited_s, LEASE_S, name),
                )
            except StoreAwayError:
                return Fresh(token)
            match answer[0]:
                case b"fresh":
                    self._runs[name] = token
                    return Fresh(token)
                case b"mismatch":
                    return Mismatch()
                case b"answer":
                    return Repeat(answer[1])
                case _:
                    # Asked again rather than told: a message can be lost, an answer cannot.
                    await asyncio.sleep(pause_s)
                    pause_s = min(0.2, pause_s * 2)

    async def finish(
        self, name: str, token: str, answer: bytes | None, *, window_s: float, now_s: float
    ) -> None:
        if self._runs.get(name) == token:
            del self._runs[name]
        what = "drop" if answer is None else "answer"
        try:
            await self._finish(name, token, what, life_s=window_s, now_s=now_s, answer=answer)
        except StoreAwayError:
            _log.debug("an answer for repeats is lost, the shared store is away")

    async def _finish(
        self,
        name: str,
        token: str,
        what: str,
        *,
        life_s: float,
        now_s: float,
        answer: bytes | None = None,
    ) -> None:
        args = (token, name, what, f"{now_s + life_s:.6f}", int(life_s * 1000) or 1, answer or b"")
        await self._link.run("finish", self._run_keys(name), args)

    async def repeats(self, now_s: float) -> int:
        try:
            return await self._link.command("ZCOUNT", self._key("x", ""), now_s, "+inf")
        except StoreAwayError:
            return 0

    async def maintain(self) -> None:
        """Flush what was settled while the store was away, renew leases, notice that it is back."""
        renew_in = 0.0
        while True:
            await asyncio.sleep(FLUSH_S)
            renew_in -= FLUSH_S
            try:
                await self.flush()
                if renew_in <= 0:
                    await self.renew()
                    renew_in = RENEW_S
            except StoreAwayError:
                continue

    async def flush(self) -> None:
        """Settle what waits; raises StoreAwayError with what is left still waiting."""
        if not self.available:
            await self._link.command("PING")
        while self._late:
            await self._settle(self._late[0])
            self._late.popleft()

    async def renew(self) -> None:
        """Keep what this worker holds from lapsing; raises StoreAwayError."""
        now_s = self._clock.now().timestamp()
        leases = [
            (key, taken.id) for taken in self._open.values() for key in self._lease_keys(taken)
        ]
        for start in range(0, len(leases), 1000):
            keys, ids = zip(*leases[start : start + 1000], strict=True)
            await self._link.run("renew", keys, (now_s + LEASE_S, *ids))
        for name, token in list(self._runs.items()):
            await self._finish(name, token, "renew", life_s=LEASE_S, now_s=now_s)

    async def close(self) -> None:
        try:
            await self.flush()
        except StoreAwayError:
            if self._late:
                _log.error("%d settlements are lost, the shared store is away", len(self._late))
        await self._link.close()

    def _new_id(self) -> str:
        self._count += 1
        return f"{self._worker}{self._count:x}"

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

    def _claim_keys(self, taken: Taken) -> list[str]:
        reservation = taken.reservation
        keys = [self._key("w", take.key) for take in reservation.windows]
        keys += [self._key("s", take.key) for take in reservation.slots]
        for take in reservation.budgets:
            keys += (self._key(kind, take.key) for kind in ("b", "l", "a"))
        keys.append(self._key("o", taken.id))
        return keys

    def _lease_keys(self, taken: Taken) -> Iterator[str]:
        for slot in taken.reservation.slots:
            yield self._key("s", slot.key)
        for budget in taken.reservation.budgets:
            yield self._key("l", budget.key)

    def _value(self, space: Space, key: str) -> str:
        return self._key("v", f"{space.name}:{key}")

    def _space_keys(self, space: Space) -> tuple[str, str, str]:
        return (self._key("i", space.name), self._key("c", space.name), self._key("z", space.name))

    def _run_keys(self, name: str) -> tuple[str, str]:
        return (self._key("x", f"{name}"), self._key("x", ""))


def _ttl(take: BudgetTake, now_s: float) -> dict[str, int]:
    """Seconds that the counter is kept; nothing for a budget without end."""
    if take.expires_at_s is None:
        return {}
    return {"ttl": max(60, int(take.expires_at_s - now_s))}


def _shortage(reservation: Reservation, answer: tuple[bytes, int, int, bytes]) -> Shortage:
    kind, index, used, wait = answer
    takes = {
        b"window": reservation.windows,
        b"slot": reservation.slots,
        b"budget": reservation.budgets,
    }[kind]
    return Shortage(take=takes[index], used=used, retry_after_s=float(wait) if wait else None)
