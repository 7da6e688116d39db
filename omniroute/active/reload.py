"""Reload: one at a time, compiled off the loop, swapped at once, and on failure nothing changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from omniroute.active.kept import keep_state
from omniroute.active.lastgood import bundle_of, keep_good
from omniroute.active.load import InForce, Loaded, Options, RejectedError, load
from omniroute.active.watch import Stamp, changes, stamp_of
from omniroute.base.clock import Clock
from omniroute.config.diagnostics import Diagnostic
from omniroute.errors import ConfigError

_log = logging.getLogger("omniroute.reload")

WATCHED: Final = "files changed"


class ReloadStatus(Struct, frozen=True, kw_only=True):
    """How the last attempt went, and what is being served."""

    ok: bool
    digest: str
    generation: int
    """Counts the snapshots that were served by this worker, from 1."""
    loaded_at: datetime
    """When the snapshot that is being served was activated."""
    attempted_at: datetime
    succeeded: int = 0
    failed: int = 0
    error: str | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    """Of the last attempt: its errors when it failed, else its warnings."""
    waiting: tuple[str, ...] = ()
    """Settings of the files that need a restart, such as `server.port`."""


class Reloader:
    """Keeps what is served equal to what the files say, as far as they can be served."""

    def __init__(
        self,
        options: Options,
        first: Loaded,
        *,
        activate: Callable[[Loaded], None],
        note: Callable[[str, str, str], None],
        record: Callable[[Loaded, str], None],
        clock: Clock,
    ) -> None:
        """`note` keeps an event: its kind, what it is about, its words. `record` is told of what is
        served from now on, and why, where it may block."""
        now = clock.now()
        self._options = replace(options, in_force=options.in_force or InForce.of(first.server))
        self._activate = activate
        self._note = note
        self._record = record
        self._clock = clock
        self._watched = first.watched
        self._sent = _sent(first)
        self.files = first.checked.files
        """The configuration files of what is being served."""
        self._stamp: Stamp = stamp_of(first.watched)
        self._lock = asyncio.Lock()
        self._stop = asyncio.Event()
        self.status = ReloadStatus(
            ok=first.refused is None,
            digest=first.snapshot.digest,
            generation=1,
            loaded_at=now,
            attempted_at=now,
            failed=0 if first.refused is None else 1,
            error=None if first.refused is None else str(first.refused),
            diagnostics=first.findings,
            waiting=first.waiting,
        )

    async def reload(self, reason: str) -> ReloadStatus:
        """Load again now. Waits for an attempt that is already running, then makes its own."""
        async with self._lock:
            self._stamp = stamp_of(self._watched)
            now = self._clock.now()
            old = self.status
            try:
                loaded = await asyncio.to_thread(load, self._options)
            except ConfigError as error:
                self.status = self._failed(old, error, now)
                if isinstance(error, RejectedError):
                    self._follow(error.watched)
                return self.status
            self._follow(loaded.watched)
            self.files = loaded.checked.files
            digest = loaded.snapshot.digest
            # Secrets may have changed although the configuration has not; and who asks means it.
            sent = _sent(loaded)
            same = digest == old.digest and sent == self._sent and reason == WATCHED
            if not same:
                self._activate(loaded)
                self._sent = sent
            self.status = ReloadStatus(
                ok=True,
                digest=digest,
                generation=old.generation + (0 if same else 1),
                loaded_at=old.loaded_at if same else now,
                attempted_at=now,
                succeeded=old.succeeded + 1,
                failed=old.failed,
                diagnostics=loaded.findings,
                waiting=loaded.waiting,
            )
            if loaded.waiting:
                _log.warning("a restart is needed for %s", ", ".join(loaded.waiting))
            if not same:
                # At once: who ends the server during what follows cannot take it back.
                self._note("config.applied", self._subject(), f"{digest} is active ({reason})")
                await asyncio.to_thread(self.keep, loaded)
                await asyncio.to_thread(self._record, loaded, reason)
                _log.info("config %s is active (%s)", digest, reason)
            return self.status

    def keep(self, loaded: Loaded) -> None:
        """Remember a good configuration, for a start that meets a broken one, and among those that
        can be gone back to. Blocks."""
        try:
            folder = Path(loaded.server.data_dir)
            bundle = bundle_of(self._options.files, loaded.inspected)
            keep_good(folder, bundle)
            keep_state(folder, loaded.snapshot.digest, bundle)
        except OSError as error:
            _log.warning("the last good configuration cannot be kept: %s", error.strerror or error)

    async def watch(self, *, debounce_s: float) -> None:
        """Reload after every change of the files that took part, until cancelled."""
        try:
            while True:
                await self._watch_once(debounce_s)
        finally:
            self._stop.set()

    async def _watch_once(self, debounce_s: float) -> None:
        """One round: it ends when the set of watched files has moved."""
        watched = self._watched
        self._stop = asyncio.Event()
        async for _ in changes(watched, debounce_s=debounce_s, stop=self._stop):
            if stamp_of(self._watched) != self._stamp:
                await self.reload(WATCHED)
            if self._watched != watched:
                self._stop.set()

    def _follow(self, watched: tuple[str, ...]) -> None:
        """Watch these from now on. Their stamp is left as it was for files known before, so a
        change that came while loading is still seen."""
        known = {row[0]: row for row in self._stamp}
        self._stamp = tuple(known.get(row[0], row) for row in stamp_of(watched))
        self._watched = watched

    def _subject(self) -> str:
        return ", ".join(self._options.files)

    def _failed(self, old: ReloadStatus, error: ConfigError, now: datetime) -> ReloadStatus:
        diagnostics = tuple(item for item in error.diagnostics if isinstance(item, Diagnostic))
        _log.error("config %s stays active: %s", old.digest, error)
        self._note(
            "config.refused", self._subject(), f"{old.digest} stays active: {what_is_wrong(error)}"
        )
        for item in diagnostics:
            if item.severity == "error":
                _log.error("%s", item)
        return ReloadStatus(
            ok=False,
            digest=old.digest,
            generation=old.generation,
            loaded_at=old.loaded_at,
            attempted_at=now,
            succeeded=old.succeeded,
            failed=old.failed + 1,
            error=str(error),
            diagnostics=diagnostics,
            waiting=old.waiting,
        )


def what_is_wrong(error: ConfigError) -> str:
    """A refusal in a line: its errors, where they are known."""
    errors = [item for item in error.diagnostics if isinstance(item, Diagnostic)]
    told = "; ".join(str(item) for item in errors if item.severity == "error")
    return told or str(error)


def _sent(loaded: Loaded) -> tuple[object, ...]:
    """What is made with the secrets that references stand for now."""
    snapshot = loaded.snapshot
    return snapshot.outlets, snapshot.hooks, snapshot.passwords
