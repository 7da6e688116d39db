"""API keys: who presents one, whether it still counts, and what it may do."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime

from omniroute.admission.values import Caller, Refuse, Surface
from omniroute.config.model import Config, Key, LoginRole, Mark, Role
from omniroute.errors import RequestError

KEY_PREFIX = "omr_"
_KEY_BYTES = 32
MAX_KEY_CHARS = 512  # ours have about 50; longer is refused before a byte is hashed

_ANONYMOUS = Caller(roles=frozenset(("inference",)))
_IMPLIED: Mapping[Role, frozenset[Role]] = {
    "inference": frozenset(("inference",)),
    "viewer": frozenset(("viewer",)),
    "admin": frozenset(("admin", "viewer")),
}


def make_key() -> tuple[str, str]:
    """A new key, to be told once, and its hash as a file has it."""
    key = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def caller_of_login(role: LoginRole) -> Caller:
    """Who has logged in as `role`."""
    return Caller(login=role, roles=_IMPLIED[role])


class KeyIndex:
    """Look-up by digest: as fast for 50,000 keys as for ten, and blind to how much of a key fits.

    The digest of what was presented is the key of a dict, so timing can only tell something about
    digests, which an attacker cannot steer towards a stored one; the full digest is then compared
    in constant time all the same.
    """

    def __init__(
        self,
        keys: Mapping[str, Key],
        *,
        required: Collection[Surface] = (),
        positions: Mapping[tuple[str | int, ...], Mark] | None = None,
    ) -> None:
        self._required = required
        self._positions = positions or {}
        self._by_digest: dict[str, tuple[str, Caller]] = {}
        self._by_id: dict[str, Caller] = {}
        for key in keys.values():
            caller = Caller(
                key_id=key.id,
                key=key,
                tags=key.tags,
                roles=frozenset[Role]().union(*(_IMPLIED[role] for role in key.roles)),
            )
            self._by_id[key.id] = caller
            for digest in key.hashes:
                self._by_digest[digest] = (digest, caller)

    def identify(
        self, presented: str | None, now: datetime, *, surface: Surface = "inference"
    ) -> Caller | Refuse:
        """The caller behind a key as it stood in the request, without `Bearer `; None for no key.

        Where none is required an unknown key is an anonymous caller (SDKs insist on sending one),
        but a known key that has expired or was disabled is refused in either case.
        """
        if presented is None or presented == "":
            if surface in self._required:
                return _refused("an API key is required", code="missing_api_key")
            return _ANONYMOUS
        if len(presented) > MAX_KEY_CHARS or not (presented.isascii() and presented.isprintable()):
            return _refused("the API key is malformed", code="invalid_api_key")
        digest = hashlib.sha256(presented.encode()).hexdigest()
        found = self._by_digest.get(digest)
        if found is None or not hmac.compare_digest(found[0], digest):
            if surface in self._required:
                return _refused("the API key is not valid", code="invalid_api_key")
            return _ANONYMOUS
        return self._valid(found[1], now)

    def by_id(self, key_id: str, now: datetime) -> Caller | Refuse:
        """As if that key had been presented, for tests of the configuration. May raise KeyError."""
        return self._valid(self._by_id[key_id], now)

    def _valid(self, caller: Caller, now: datetime) -> Caller | Refuse:
        key = caller.key
        if key is None or key.disabled:
            return self._refused_key(caller, "disabled")
        if key.expires is not None and now >= key.expires:
            return self._refused_key(caller, "expired")
        return caller

    def _refused_key(self, caller: Caller, what: str) -> Refuse:
        return _refused(
            f"the API key {'is disabled' if what == 'disabled' else 'has expired'}",
            code=f"{what}_api_key",
            decided_by=f"key:{caller.key_id}",
            mark=self._positions.get(("keys", caller.key_id or "")),
        )


def compile_keys(config: Config) -> KeyIndex:
    """The index of a snapshot."""
    auth = config.auth
    required: list[Surface] = []
    if auth.require_api_key:
        required.append("inference")
    if auth.dashboard.require_login:
        required.append("management")
    return KeyIndex(config.keys, required=required, positions=config.positions)


def authorize(caller: Caller, role: Role) -> Refuse | None:
    """None when the caller has the role; `admin` includes `viewer`, but not `inference`."""
    if role in caller.roles:
        return None
    if caller.login is not None:
        return Refuse(
            error=RequestError(
                "permission", f"this login does not have the role {role!r}", code="missing_role"
            ),
            decided_by=f"login:{caller.login}",
        )
    if caller.key_id is None:
        return _refused("a login or an API key with a role is required", code="missing_api_key")
    return Refuse(
        error=RequestError(
            "permission", f"this API key does not have the role {role!r}", code="missing_role"
        ),
        decided_by=f"key:{caller.key_id}",
    )


def _refused(
    message: str, *, code: str, decided_by: str = "key", mark: Mark | None = None
) -> Refuse:
    return Refuse(
        error=RequestError("authentication", message, code=code), decided_by=decided_by, mark=mark
    )
