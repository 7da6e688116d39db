"""Logins of people: a password to a session, a session to a role, and how often one may try.

A session's token is `role.expires.id.signature`. It counts while its signature is right, its time
has not run out and the store knows its id: the signature is made with the password's hash, so that
another password ends every session, and no forged token costs a look-up; the store is what all
workers share, so that a logout ends it everywhere. The store has the digest of an id alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

from msgspec import Struct

from omniroute.active.passwords import Passwords
from omniroute.base.clock import Clock
from omniroute.base.password import MOST, fits
from omniroute.base.secret import Secret
from omniroute.config.model import LoginRole
from omniroute.errors import RequestError, StateError
from omniroute.state.store import Reservation, Shortage, Space, Store, Taken, WindowTake

ATTEMPTS: Final = 5
LOCKED_S: Final = 900.0
"""So many wrong passwords of an address within this time; after that not even the right one."""
AT_ONCE: Final = 2
"""Passwords that a worker looks at together, 19 MiB each as we hash them."""
WAITING: Final = 16
"""Those that wait for their turn; others are told to come again."""
SESSIONS: Final = Space(name="logins", max_entries=10_000, max_bytes=4 << 20, persist=True)
_MAX_TOKEN: Final = 200
_log = logging.getLogger("omniroute.logins")


class LoggedIn(Struct, frozen=True, kw_only=True):
    token: Secret
    role: LoginRole
    ttl_s: int


class Logins:
    """One worker's view of them; `own` is the hash of the password that the gateway keeps."""

    def __init__(self, store: Store, clock: Clock, own: Secret | None) -> None:
        self._store = store
        self._clock = clock
        self._own = own
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="login")
        self._room = threading.BoundedSemaphore(AT_ONCE + WAITING)

    def hashes(self, passwords: Passwords) -> Mapping[LoginRole, Secret]:
        """What counts now: what the files say, and the gateway's own where they leave it to it."""
        if passwords.keeps_own and self._own is not None:
            return {"admin": self._own, **passwords.hashes}
        return passwords.hashes

    async def open(
        self, passwords: Passwords, password: str, *, client_ip: str, ttl_s: float
    ) -> LoggedIn:
        """A session for the role whose password this is.

        Raises RequestError: authentication (401), rate_limit (429) after too many wrong ones from
        this address, unavailable (503) when too many log in, or the shared store is away.
        """
        if not self._store.available:
            raise _away()
        tried = await self._try(client_ip)
        role = await self._whose(self.hashes(passwords), password)
        if role is None:
            _log.warning("a wrong password from %s", client_ip)
            raise RequestError("authentication", "Invalid password", code="invalid_password")
        now_s = self._now_s()
        await self._store.settle(tried, now_s=now_s, tokens=0, cost_nanousd=None)
        session = self._session(passwords, role, ttl_s=int(ttl_s) or 1)
        await self._store.put(
            SESSIONS, _known_as(session.token.reveal()), b"1", ttl_s=session.ttl_s, now_s=now_s
        )
        _log.info("%s logged in from %s", role, client_ip)
        return session

    async def role(self, passwords: Passwords, token: str) -> LoginRole | None:
        """Whose session this is, None when it is nobody's (any more)."""
        role = self._signed(passwords, token)
        if role is None:
            return None
        known = await self._store.get(SESSIONS, _known_as(token), self._now_s())
        return None if known is None else role

    async def end(self, passwords: Passwords, token: str) -> None:
        """Forget a session everywhere. Raises RequestError (503) when the shared store is away."""
        if self._signed(passwords, token) is None:
            return
        try:
            await self._store.delete(SESSIONS, _known_as(token))
        except StateError:
            raise _away() from None

    def close(self) -> None:
        """What has not begun never will; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _try(self, client_ip: str) -> Taken:
        """Count an attempt before it is made: those that come together are no cheaper."""
        owner = "login"
        take = WindowTake(
            key=f"{owner}|{_network(client_ip)}",
            owner=owner,
            unit="tokens",  # which a right password gives back
            limit=ATTEMPTS,
            window_s=LOCKED_S,
            cost=1,
        )
        taken = await self._store.take(Reservation(windows=(take,)), self._now_s())
        if isinstance(taken, Shortage):
            _log.warning("too many wrong passwords from %s", client_ip)
            raise RequestError(
                "rate_limit",
                "too many wrong passwords from this address",
                code="too_many_logins",
                retry_after_s=taken.retry_after_s or LOCKED_S,
            )
        return taken

    async def _whose(self, hashes: Mapping[LoginRole, Secret], password: str) -> LoginRole | None:
        if len(password) > MOST or not hashes:
            return None
        if not self._room.acquire(blocking=False):
            raise RequestError(
                "unavailable", "too many log in", code="too_many_logins", retry_after_s=1.0
            )
        # A client that leaves ends the wait, not the thread: room is free when that is done.
        work = self._threads.submit(_first_that_fits, hashes, password)
        work.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(work)

    def _session(self, passwords: Passwords, role: LoginRole, *, ttl_s: int) -> LoggedIn:
        said = f"{role}.{int(self._now_s()) + ttl_s}.{secrets.token_urlsafe(32)}"
        token = f"{said}.{_sign(said, self.hashes(passwords)[role])}"
        return LoggedIn(token=Secret(token), role=role, ttl_s=ttl_s)

    def _signed(self, passwords: Passwords, token: str) -> LoginRole | None:
        """The role that a token was made for, None when it was not made here or has run out."""
        said, _, signature = token.rpartition(".")
        parts = said.split(".")
        if len(token) > _MAX_TOKEN or not token.isascii() or len(parts) != 3:
            return None
        hashed = self.hashes(passwords).get(cast("LoginRole", parts[0]))
        if hashed is None or not hmac.compare_digest(_sign(said, hashed), signature):
            return None
        return None if self._now_s() >= int(parts[1]) else cast("LoginRole", parts[0])

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _first_that_fits(hashes: Mapping[LoginRole, Secret], password: str) -> LoginRole | None:
    return next((role for role, hashed in hashes.items() if fits(hashed.reveal(), password)), None)


def _sign(said: str, hashed: Secret) -> str:
    key = hashlib.sha256(b"omniroute login\0" + hashed.reveal().encode()).digest()
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _known_as(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _network(ip: str) -> str:
    """Who counts together: of IPv6, one customer has a whole /64."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if address.version == 4:
        return ip
    return str(ipaddress.ip_network((address, 64), strict=False))


def _away() -> RequestError:
    return RequestError(
        "unavailable", "sessions cannot be kept now", code="state_away", retry_after_s=1.0
    )
