"""What one worker owns for as long as it runs: the snapshot, the pools, the ledger, its tasks."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from omniroute.active.load import Loaded, Options
from omniroute.active.reload import Reloader, what_is_wrong
from omniroute.active.snapshot import Snapshot
from omniroute.admission.budget import BudgetEvent
from omniroute.admission.gate import identify
from omniroute.admission.keys import authorize, caller_of_login
from omniroute.admission.values import Caller, Refuse
from omniroute.admission.values import Surface as AdmissionSurface
from omniroute.answers.recollections import Recollections
from omniroute.answers.semantic import SemanticIndex
from omniroute.base.clock import Clock, SystemClock
from omniroute.base.heavy import Heavy
from omniroute.base.tasks import Supervisor
from omniroute.base.units import NANO
from omniroute.config.model import Role
from omniroute.gateway.life import Pipeline
from omniroute.ledger.event import EventRecord
from omniroute.ledger.pace import keep_drained
from omniroute.ledger.reader import LedgerReader
from omniroute.ledger.record import RequestRecord
from omniroute.ledger.spool import Spool
from omniroute.ledger.writer import LedgerWriter
from omniroute.request.keepalive import KeepAlive
from omniroute.request.services import Services
from omniroute.request.unasked import Unasked
from omniroute.routing.health import Change, describe_change, name_of
from omniroute.routing.live import LiveState
from omniroute.state.store import Store
from omniroute.upstream.pool import TransportPool
from omniroute.worker.audit import AuditEntry, AuditLog
from omniroute.worker.logins import Logins
from omniroute.worker.meters import Meters
from omniroute.worker.ownpassword import read_own_password
from omniroute.worker.requestlog import is_wanted
from omniroute.worker.stores import open_store, restore_budgets
from omniroute.worker.webhooks import Webhooks

_log = logging.getLogger("omniroute.runtime")

RESTART: Final = 75
"""The exit code of a server that is to be started anew."""
DRAIN_EVERY_S: Final = 1.0
"""How old a quiet gateway's rows are at most when they can be queried, while nobody holds the
database; a busy one's are a few seconds old."""
DRAIN_PATIENCE_S: Final = 5.0
"""At the end, how long to wait for somebody who holds the database; the spool keeps the rest."""


class Runtime:
    """Built by `open`, ended by `close`."""

    def __init__(self, options: Options, first: Loaded, *, store: Store, clock: Clock) -> None:
        server = first.snapshot.config.server
        self.snapshot: Snapshot = first.snapshot
        self.logs_requests = is_wanted(server.log.requests)
        self.clock = clock
        self.started = clock.now()
        self.data_dir = Path(server.data_dir)
        self.files = options.files
        self.draining = False
        self.restarting = False
        self.transports = TransportPool()
        self.live = LiveState(on_change=self._changed)
        self.live.adopt(first.snapshot.index, _credentials(first.snapshot))
        self.worker = options.worker or 0
        self._alone = options.worker is None
        self.spool = Spool(self.data_dir, worker=f"w{self.worker}")
        self.meters = Meters()
        self.meters.adopt(first.snapshot.index)
        self.store = store
        self.logins = Logins(store, clock, read_own_password(self.data_dir))
        self.semantic = SemanticIndex()
        self.heavy = Heavy()
        self.alive = KeepAlive()
        self.recollections = Recollections()
        self.pipeline = Pipeline(
            current=lambda: self.snapshot,
            services=Services(
                transports=self.transports,
                live=self.live,
                store=store,
                heavy=self.heavy,
                alive=self.alive,
                unasked=Unasked(),
                append=self._append,
                notify=self._notify,
                skipped=self.meters.skip,
                clock=clock,
                rng=random.Random(),  # noqa: S311 - spreads load, guards nothing
            ),
            semantic=self.semantic,
        )
        self.audit = AuditLog(self.data_dir)
        self.reloader = Reloader(
            options,
            first,
            activate=self._activate,
            note=self._note,
            record=self._record,
            clock=clock,
        )
        self._supervisor = Supervisor()
        self._webhooks = Webhooks(
            self.transports,
            self._supervisor,
            clock=clock,
            count=self.meters.delivered,
            redact=self._redact,
        )
        self._listeners: list[Callable[[], None]] = []
        self._writer = LedgerWriter(self.data_dir)
        self.questions = LedgerReader(self.data_dir, self._writer)

    @classmethod
    async def open(cls, options: Options, first: Loaded, *, clock: Clock | None = None) -> Runtime:
        """Start what runs beside requests: watching files, draining the spool."""
        config = first.snapshot.config
        clock = clock or SystemClock()
        store = open_store(config, clock)
        runtime = cls(options, first, store=store, clock=clock)
        book = first.snapshot.admission.book
        await restore_budgets(store, book, runtime._writer.spent, clock.now())
        if first.refused is None:
            await asyncio.to_thread(runtime.reloader.keep, first)
            await asyncio.to_thread(runtime._record, first, "start")
        else:
            _log.error(
                "SERVING THE LAST GOOD CONFIGURATION %s, as the files cannot be served: %s",
                first.snapshot.digest,
                first.refused,
            )
            files = ", ".join(options.files)
            runtime._note("config.refused", files, what_is_wrong(first.refused))
        for item in first.findings:
            _log.log(logging.ERROR if item.severity == "error" else logging.WARNING, "%s", item)
        if config.reload.watch:
            runtime._supervisor.start(
                "watch", runtime.reloader.watch(debounce_s=config.reload.debounce_s)
            )
        runtime._supervisor.start("state", store.maintain())
        runtime._supervisor.start("keep alive", runtime.alive.keep())
        if options.worker in (None, 0):  # one drains for all: opening the file is what costs
            runtime._supervisor.start(
                "drain",
                keep_drained(
                    runtime._writer,
                    interval_s=DRAIN_EVERY_S,
                    retention_s=lambda: runtime.snapshot.config.usage.retention_s,
                ),
            )
        return runtime

    @property
    def in_flight(self) -> int:
        """Requests that have not been answered to their end."""
        return self.pipeline.in_flight

    @property
    def quarantined(self) -> int:
        """Lines of the spool that this worker's drain could not make rows of."""
        return self._writer.quarantined

    def on_activate(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each swap of the snapshot."""
        self._listeners.append(listener)

    def request_reload(self, reason: str) -> None:
        """Reload soon; for signal handlers, which cannot wait."""

        async def work() -> None:
            await self.reloader.reload(reason)

        self._supervisor.start("reload", work())

    def end(self) -> None:
        """Stop gracefully, all workers with this one; as TERM does, and as soon."""
        os.kill(os.getpid() if self._alone else os.getppid(), signal.SIGTERM)

    def restart(self) -> None:
        """Stop gracefully, and let the whole server be started anew."""
        self.restarting = True
        os.kill(os.getpid(), signal.SIGTERM)

    def identify(
        self, presented: str | None, client_ip: str, *, surface: AdmissionSurface = "inference"
    ) -> Caller:
        """The caller, or RequestError when the address or the key is refused."""
        caller = identify(
            self.snapshot.admission,
            presented,
            ip=client_ip,
            surface=surface,
            now=self.clock.now(),
        )
        if isinstance(caller, Refuse):
            raise caller.error
        return caller

    def refuse_address(self, client_ip: str) -> None:
        """Raises RequestError for an address that may not manage."""
        refusal = self.snapshot.admission.addresses.check(client_ip, "management")
        if refusal is not None:
            raise refusal.error

    async def require_role(
        self, presented: str | None, session: str | None, *, role: Role, client_ip: str
    ) -> Caller:
        """Who it is that may manage, by the key, else by the login's token; or RequestError."""
        caller = None
        if session is not None and not presented:
            caller = await self._logged_in(session, client_ip)
        if caller is None:
            caller = self.identify(presented, client_ip, surface="management")
        if not self.snapshot.config.auth.dashboard.require_login:
            return caller
        refusal = authorize(caller, role)
        if refusal is not None:
            raise refusal.error
        return caller

    async def _logged_in(self, session: str, client_ip: str) -> Caller | None:
        self.refuse_address(client_ip)
        role = await self.logins.role(self.snapshot.passwords, session)
        return None if role is None else caller_of_login(role)

    async def close(self) -> None:
        """End the tasks, then bring every record into the database while it can be had."""
        await self._supervisor.stop()
        self.heavy.close()
        self.logins.close()
        await self.questions.close()
        await self.transports.close()
        await self.store.close()
        self.spool.close()
        await asyncio.to_thread(self._writer.finish, patience_s=DRAIN_PATIENCE_S)

    def _append(self, record: RequestRecord) -> bool:
        self.meters.observe(record)
        return self.spool.append(record)

    def _notify(self, event: BudgetEvent) -> None:
        self.meters.warn(event)
        detail = (
            f"has reached {event.threshold:.0%}: {event.spent_nanousd / NANO:.2f} "
            f"of {event.limit_nanousd / NANO:.2f} USD ({event.period})"
        )
        _log.warning("budget %s %s", event.budget, detail)
        self._note("budget.warning", event.budget, detail)
        hook = self.snapshot.hooks.get(event.budget)
        if hook is not None:
            self._webhooks.send(hook, event)

    def _changed(self, change: Change) -> None:
        self.meters.change(change)
        level = logging.WARNING if change.state in ("open", "refused") else logging.INFO
        name, words = name_of(change), describe_change(change)
        _log.log(level, "%s: %s", name, words)
        self._note(f"{change.part}.{change.state}", name, words)

    def _note(self, kind: str, subject: str, detail: str) -> None:
        """Keep an event, under the configuration that is served from now on."""
        self.spool.note(
            EventRecord(
                time=self.clock.now(),
                kind=kind,
                subject=subject,
                detail=detail,
                config_digest=self.snapshot.digest,
                worker=self.worker,
            )
        )

    def _record(self, loaded: Loaded, reason: str) -> None:
        """Blocks. Keep in the audit log what others have made of the files."""
        entry = AuditEntry(
            time=self.clock.now(),
            action="config.reload",
            actor="files",
            target=reason,
            digest_before=None,
            digest_after=loaded.snapshot.digest,
            commit=loaded.snapshot.commit,
        )
        try:
            self.audit.note_state(entry)
        except OSError as error:
            _log.error("the audit log cannot be written: %s", error.strerror or error)

    def _redact(self, text: str) -> str:
        return self.snapshot.redact(text)

    def _activate(self, loaded: Loaded) -> None:
        self.snapshot = loaded.snapshot
        self.logs_requests = is_wanted(loaded.snapshot.config.server.log.requests)
        self.live.adopt(loaded.snapshot.index, _credentials(loaded.snapshot))
        self.meters.adopt(loaded.snapshot.index)
        self._supervisor.start("transports", self.transports.retain(loaded.snapshot.transports))
        for listener in self._listeners:
            listener()


def _credentials(snapshot: Snapshot) -> dict[str, object]:
    """What each connection sends beside a request, its credential among it."""
    return {key: outlet.headers for key, outlet in snapshot.outlets.items()}
