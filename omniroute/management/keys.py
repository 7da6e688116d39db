"""API keys as they are declared, and declaring them: files hold hashes, and a key is told once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.admission.keys import make_key
from omniroute.config.model import Key, KeyRateLimit, Role
from omniroute.management.derived import show, shown
from omniroute.management.entries import Entry, Resource, adding, at_the_top, unknown
from omniroute.management.moment import Instant
from omniroute.management.place import Place, place
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

SECTION = "keys"
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class KeyLimit(shown(KeyRateLimit), frozen=True):
    """Null and 0 are no limit."""


class KeyReport(Place, frozen=True, kw_only=True, rename="camel"):
    """One key; of the key itself nothing is known but its hash, which is not shown."""

    id: str
    name: str
    allowed_models: list[str]
    """Globs; empty for all."""
    tags: dict[str, str]
    roles: list[Role]
    expires_at: Instant | None
    is_active: bool
    """False while it is disabled or has expired."""
    rate_limit: KeyLimit


class Keys(Struct, frozen=True, kw_only=True, rename="camel"):
    """All that are declared."""

    keys: list[KeyReport]
    total: int


class KeyFields(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`expiresAt` is a day or an instant, and null for never."""

    allowed_models: list[str] | UnsetType = UNSET
    tags: dict[str, str] | UnsetType = UNSET
    roles: list[Role] | UnsetType = UNSET
    expires_at: str | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class KeyChange(KeyFields, frozen=True, kw_only=True, rename="camel"):
    """What is left out stays; another `name` renames the key."""

    name: Name | UnsetType = UNSET


class NewKey(KeyFields, frozen=True, kw_only=True, rename="camel"):
    """A key to be made."""

    name: Name


class MadeKey(KeyReport, frozen=True, kw_only=True, rename="camel"):
    """`key` is the credential, told this once."""

    key: str


def keys(runtime: Runtime) -> Keys:
    found = [_report(runtime, key) for key in runtime.snapshot.config.keys.values()]
    return Keys(keys=found, total=len(found))


def key(runtime: Runtime, name: str) -> KeyReport:
    """Raises RequestError (404)."""
    return _report(runtime, _declared(runtime, name))


async def add_key(runtime: Runtime, wanted: NewKey, *, author: Author) -> MadeKey:
    """Make a key and declare its hash. Raises RequestError as `add`."""
    secret, digest = make_key()
    entry = {"hash": digest, **KEYS.made(wanted)}
    await change_config(runtime, adding(KEYS.where(wanted.name), entry), author=author)
    return MadeKey(key=secret, **_fields(runtime, _declared(runtime, wanted.name)))


def _declared(runtime: Runtime, name: str) -> Key:
    found = runtime.snapshot.config.keys.get(name)
    if found is None:
        raise unknown((SECTION,), name)
    return found


def _made(wanted: NewKey) -> Entry:
    """All but the hash."""
    return _with({}, wanted)


def _revised(entry: Entry, wanted: KeyChange) -> Entry:
    return _with(entry, wanted)


def _with(entry: Entry, wanted: KeyFields) -> Entry:
    said: dict[str, Any] = {
        "models": wanted.allowed_models,
        "tags": wanted.tags,
        "roles": wanted.roles,
        "expires": wanted.expires_at,
        "disabled": UNSET if wanted.is_active is UNSET else not wanted.is_active,
    }
    revised = dict(entry)
    for name, value in said.items():
        if value is UNSET:
            continue
        if value:
            revised[name] = value
        else:  # as it is without being said
            revised.pop(name, None)
    return revised


def _report(runtime: Runtime, declared: Key) -> KeyReport:
    return KeyReport(**_fields(runtime, declared))


def _fields(runtime: Runtime, declared: Key) -> Mapping[str, Any]:
    expires = declared.expires
    expired = expires is not None and expires <= runtime.clock.now()
    return {
        "id": declared.id,
        "name": declared.id,
        "allowed_models": list(declared.models),
        "tags": dict(declared.tags),
        "roles": list(declared.roles),
        "expires_at": None if expires is None else expires.astimezone(UTC).isoformat(),
        "is_active": not declared.disabled and not expired,
        "rate_limit": show(KeyLimit, declared.rate_limit),
        **place(runtime.snapshot.config.positions.get((SECTION, declared.id))),
    }


KEYS = Resource(
    noun="key",
    where=at_the_top(SECTION),
    show_all=keys,
    show=key,
    id_of=lambda wanted: wanted.name,
    made=_made,
    revised=_revised,
    renamed=lambda id, change: id if change.name is UNSET else change.name,
)
