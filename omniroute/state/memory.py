"""The store of a single worker: plain dicts, atomic because nothing here awaits between steps.

With a folder, limits and budgets survive restarts and `kill -9` through a journal, and the spaces
that ask for it are saved on a clean shutdown. Without one everything ends with the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from omniroute.base.clock import Clock, SystemClock
from omniroute.state.journal import (
    COMPACT_BYTES,
    BudgetLine,
    Journal,
    Line,
    OpenLine,
    SettledLine,
    TakenLine,
    WindowLine,
)
from omniroute.state.spaces import Shelf
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
    exceeds,
)
from omniroute.state.window import Window, WindowMark

_log = logging.getLogger("omniroute.state")

SWEEP_S: Final = 30.0
MAX_WINDOWS: Final = 100_000
"""About 100 MB. A limit `per: ip` has one for each address, of which anybody may have many."""
REPEATS: Final = Space(name="repeats", max_entries=50_000, max_bytes=64 << 20)
"""Room for answers under idempotency names; whoever repeats what had to go is served anew."""
_NOTHING: Final = Taken(id="", reservation=Reservation(), at_s=0.0)
_SHELF: Final = msgspec.msgpack.Decoder(dict[str, list[tuple[str, bytes, float]]])


class _Counter:
    """One budget in one period."""

    __slots__ = ("expires_at_s", "reserved", "spent")

    def __init__(self, spent: int, expires_at_s: float | None) -> None:
        self.spent = spent
        self.reserved = 0
        self.expires_at_s = expires_at_s


class _Run:
    """A request that is under way under an idempotency name."""

    def __init__(self, body_hash: str, token: str) -> None:
        self.body_hash = body_hash
        self.token = token
        self.ended = asyncio.Event()


class MemoryStore:
    """See `Store`. `folder` is where it is kept across restarts."""

    name = "memory"

    @property
    def available(self) -> bool:
        return True

    def __init__(
        self,
        folder: Path | None = None,
        clock: Clock | None = None,
        *,
        max_windows: int = MAX_WINDOWS,
    ) -> None:
        self._max_windows = max_windows
        self._clock = clock or SystemClock()
        self._windows: dict[str, Window] = {}
        self._slots: dict[str, int] = {}
        self._budgets: dict[str, _Counter] = {}
        self._shelves: dict[str, Shelf] = {}
        self._runs: dict[str, _Run] = {}
        self._answers = Shelf()
        """Of runs that have ended, by the same names: the body's hash, a line's end, the answer."""
        self._open: dict[str, Taken] = {}
        self._ids = count(1)
        self._persisted: set[str] = set()
        self._shelf_path = folder / "kept.msgpack" if folder is not None else None
        self._journal: Journal | None = None
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._journal = Journal(folder / "state.journal")
            self._replay(self._journal.read())
            self._journal.rewrite(self._lines())
            self._load_shelves()

    async def take(self, reservation: Reservation, now_s: float) -> Taken | Shortage:
        if not (reservation.windows or reservation.slots or reservation.budgets):
            return _NOTHING
        shortage = self._short(reservation, now_s)
        if shortage is not None:
            return shortage
        taken = Taken(id=f"{next(self._ids):x}", reservation=reservation, at_s=now_s)
        self._apply(taken)
        if self._journal is not None:
            self._journal.append(TakenLine(taken.id, now_s, reservation))
        return taken

    def _short(self, reservation: Reservation, now_s: float) -> Shortage | None:
        for take in reservation.windows:
            window = self._windows.get(take.key)
            used = window.used(now_s) if window is not None else 0
            if used + take.cost > take.limit:
                wait_s = None
                if window is not None and take.cost <= take.limit:
                    wait_s = window.wait_s(now_s, used + take.cost - take.limit)
                return Shortage(take=take, used=used, retry_after_s=wait_s)
        for slot in reservation.slots:
            used = self._slots.get(slot.key, 0)
            if used >= slot.limit:
                return Shortage(take=slot, used=used)
        for budget in reservation.budgets:
            counter = self._budgets.get(budget.key)
            used = counter.spent + counter.reserved if counter is not None else 0
            if exceeds(budget, used):
                return Shortage(take=budget, used=used)
        return None

    def _apply(self, taken: Taken) -> None:
        for take in taken.reservation.windows:
            window = self._windows.get(take.key)
            if window is None:
                if len(self._windows) >= self._max_windows:
                    self._forget_windows(taken.at_s)
                window = self._windows[take.key] = Window(take.window_s)
            window.add(taken.at_s, take.cost)
        self._hold(taken)

    def _forget_windows(self, now_s: float) -> None:
        """Those that are empty; else an eighth, those that counted something longest ago."""
        self._drop_empty(now_s)
        count = max(0, len(self._windows) - self._max_windows * 7 // 8)
        oldest = sorted(self._windows, key=lambda key: self._windows[key].marks[-1].last_s)
        for key in oldest[:count]:
            del self._windows[key]

    def _drop_empty(self, now_s: float) -> None:
        for key in [key for key, window in self._windows.items() if not window.used(now_s)]:
            del self._windows[key]

    def _hold(self, taken: Taken) -> None:
        for slot in taken.reservation.slots:
            self._slots[slot.key] = self._slots.get(slot.key, 0) + 1
        for budget in taken.reservation.budgets:
            self._counter(budget).reserved += budget.cost_nanousd
        self._open[taken.id] = taken

    def _counter(self, take: BudgetTake) -> _Counter:
        counter = self._budgets.get(take.key)
        if counter is None:
            counter = self._budgets[take.key] = _Counter(0, take.expires_at_s)
        return counter

    async def settle(
        self, taken: Taken, *, now_s: float, tokens: int | None = None, cost_nanousd: int | None
    ) -> tuple[Spent, ...]:
        if self._open.pop(taken.id, None) is None:
            return ()
        if self._journal is not None:
            self._journal.append(SettledLine(taken.id, now_s, tokens, cost_nanousd))
        return self._settle(taken, tokens=tokens, cost_nanousd=cost_nanousd)

    def _settle(
        self, taken: Taken, *, tokens: int | None, cost_nanousd: int | None
    ) -> tuple[Spent, ...]:
        if tokens is not None:
            for take in taken.reservation.windows:
                window = self._windows.get(take.key)
                if take.unit == "tokens" and window is not None:
                    window.adjust(taken.at_s, tokens - take.cost)
        for slot in taken.reservation.slots:
            left = self._slots.get(slot.key, 0) - 1
            if left > 0:
                self._slots[slot.key] = left
            else:
                self._slots.pop(slot.key, None)
        spent = list[Spent]()
        for budget in taken.reservation.budgets:
            counter = self._counter(budget)
            counter.reserved -= budget.cost_nanousd
            before = counter.spent
            counter.spent += budget.cost_nanousd if cost_nanousd is None else cost_nanousd
            spent.append(Spent(take=budget, before_nanousd=before, after_nanousd=counter.spent))
        return tuple(spent)

    async def balances(self, keys: tuple[str, ...]) -> tuple[Balance, ...]:
        found = (self._budgets.get(key) for key in keys)
        return tuple(
            Balance(counter.spent, counter.reserved) if counter is not None else Balance(0, 0)
            for counter in found
        )

    async def restore(
        self, spent_nanousd: Mapping[str, int], *, expires_at_s: float | None, overwrite: bool
    ) -> None:
        for key, spent in spent_nanousd.items():
            counter = self._budgets.get(key)
            if counter is None:
                counter = self._budgets[key] = _Counter(spent, expires_at_s)
            elif overwrite:
                counter.spent = spent
            if self._journal is not None:
                self._journal.append(_budget_line(key, counter))

    async def get(self, space: Space, key: str, now_s: float) -> bytes | None:
        return self._shelf(space).get(key, now_s)

    async def put(
        self, space: Space, key: str, value: bytes, *, ttl_s: float, now_s: float
    ) -> None:
        self._shelf(space).put(space, key, value, now_s + ttl_s)

    async def names(self, space: Space, since_s: float) -> tuple[str, ...]:
        return tuple(self._shelf(space).entries)

    async def peek(self, space: Space, keys: tuple[str, ...], now_s: float) -> dict[str, bytes]:
        shelf = self._shelf(space)
        found = {key: shelf.peek(key, now_s) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    async def delete(self, space: Space, key: str) -> None:
        self._shelf(space).delete(key)

    async def clear(self, space: Space) -> int:
        return self._shelf(space).clear()

    async def stats(self, space: Space) -> SpaceStats:
        return self._shelf(space).stats()

    def _shelf(self, space: Space) -> Shelf:
        shelf = self._shelves.get(space.name)
        if shelf is None:
            shelf = self._shelves[space.name] = Shelf()
        if space.persist:
            self._persisted.add(space.name)
        return shelf

    async def begin(self, name: str, body_hash: str, *, window_s: float, now_s: float) -> Begun:
        while True:
            kept = self._answers.peek(name, now_s)
            if kept is not None:
                known, _, answer = kept.partition(b"\n")
                return Repeat(answer) if known == body_hash.encode() else Mismatch()
            run = self._runs.get(name)
            if run is None:
                run = self._runs[name] = _Run(body_hash, f"{next(self._ids):x}")
                return Fresh(run.token)
            if run.body_hash != body_hash:
                return Mismatch()
            await run.ended.wait()

    async def finish(
        self, name: str, token: str, answer: bytes | None, *, window_s: float, now_s: float
    ) -> None:
        run = self._runs.get(name)
        if run is None or run.token != token:
            return
        del self._runs[name]
        if answer is not None:
            kept = run.body_hash.encode() + b"\n" + answer
            self._answers.put(REPEATS, name, kept, now_s + window_s)
        run.ended.set()

    async def repeats(self, now_s: float) -> int:
        return len(self._runs) + self._answers.count(now_s)

    def sweep(self, now_s: float) -> None:
        """Forget what has run out; called by `maintain`."""
        self._drop_empty(now_s)
        held = {budget.key for taken in self._open.values() for budget in taken.reservation.budgets}
        for key in [
            key
            for key, counter in self._budgets.items()
            if counter.expires_at_s is not None
            and counter.expires_at_s <= now_s
            and key not in held
        ]:
            del self._budgets[key]
        for shelf in (self._answers, *self._shelves.values()):
            shelf.sweep(now_s)
        if self._journal is not None and self._journal.size_bytes > COMPACT_BYTES:
            self._compact(self._journal)

    def _compact(self, journal: Journal) -> None:
        try:
            journal.rewrite(self._lines())
        except OSError as error:
            _log.error("the state journal cannot be compacted: %s", error.strerror)

    async def maintain(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(self._clock.now().timestamp())

    async def close(self) -> None:
        if self._journal is not None:
            self._compact(self._journal)
            self._journal.close()
            self._journal = None
        try:
            self._save_shelves()
        except OSError as error:  # the ledger is still to be closed
            _log.error("what the cache holds cannot be kept: %s", error.strerror)

    def _lines(self) -> list[Line]:
        """The whole state, for a journal written anew."""
        lines: list[Line] = [
            WindowLine(
                key,
                window.window_s,
                tuple((mark.first_s, mark.last_s, mark.amount) for mark in window.marks),
            )
            for key, window in self._windows.items()
            if window.marks
        ]
        lines += [_budget_line(key, counter) for key, counter in self._budgets.items()]
        lines += [
            OpenLine(taken.id, taken.at_s, taken.reservation) for taken in self._open.values()
        ]
        return lines

    def _replay(self, lines: list[Line]) -> None:
        for line in lines:
            match line:
                case WindowLine():
                    window = self._windows[line.key] = Window(line.window_s)
                    window.marks.extend(WindowMark(*mark) for mark in line.marks)
                    window.total = sum(mark.amount for mark in window.marks)
                case BudgetLine():
                    known = self._budgets.get(line.key)
                    if known is None:
                        self._budgets[line.key] = _Counter(line.spent_nanousd, line.expires_at_s)
                    else:
                        known.spent = line.spent_nanousd
                case OpenLine():
                    self._hold(Taken(id=line.id, reservation=line.reservation, at_s=line.at_s))
                case TakenLine():
                    self._apply(Taken(id=line.id, reservation=line.reservation, at_s=line.at_s))
                case SettledLine():
                    taken = self._open.pop(line.id, None)
                    if taken is not None:
                        self._settle(taken, tokens=line.tokens, cost_nanousd=line.cost_nanousd)
        for taken in list(self._open.values()):
            self._settle(taken, tokens=None, cost_nanousd=None)
        self._open.clear()

    def _load_shelves(self) -> None:
        if self._shelf_path is None or not self._shelf_path.exists():
            return
        try:
            saved = _SHELF.decode(self._shelf_path.read_bytes())
        except (msgspec.DecodeError, msgspec.ValidationError):
            return  # a cache that cannot be read is an empty cache
        for name, entries in saved.items():
            shelf = self._shelves[name] = Shelf()
            for key, value, expires_at_s in entries:
                shelf.entries[key] = (value, expires_at_s)
                shelf.size_bytes += len(key) + len(value)

    def _save_shelves(self) -> None:
        if self._shelf_path is None:
            return
        kept = {
            name: [(key, *entry) for key, entry in self._shelves[name].entries.items()]
            for name in self._persisted
            if name in self._shelves
        }
        fresh = self._shelf_path.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_bytes(msgspec.msgpack.encode(kept))
        fresh.replace(self._shelf_path)


def _budget_line(key: str, counter: _Counter) -> BudgetLine:
    return BudgetLine(key, counter.spent, counter.expires_at_s)
