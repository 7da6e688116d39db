"""Connections of providers as the API has them, and declaring them. A credential is never told: it
is written into a file of the data folder, for its owner's eyes alone, and the YAML names that."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.active.snapshot import key_headers
from omniroute.catalog.presets import load_presets
from omniroute.config.change import Change, merge
from omniroute.config.model import Connection, Provider
from omniroute.errors import RequestError
from omniroute.management.connections import declared
from omniroute.management.entries import Entry, Where, changing, removing, unknown
from omniroute.management.moment import moment
from omniroute.management.place import Place, place
from omniroute.management.secret_files import SecretFile, keep_secret, kept_secret
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

SECTION = "providers"
AccountName = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^/]+$")]
Credential = Annotated[str, Meta(min_length=1, max_length=8192)]
TestStatus = Literal["active", "error", "unknown", "disabled"]
_PLAIN: Final = Connection(id="")
_SHOWN_CHARS: Final = 4
_SHORTEST: Final = 16  # of a credential of which four characters may be seen
_MARK: Final = "\0"


class AccountReport(Place, frozen=True, kw_only=True, rename="camel"):
    """One connection. Of its credential the last four characters are told, of a short one none.

    `testStatus` is `unknown` until it was asked for something, `error` while it rests.
    """

    id: str
    """`provider/name`."""
    provider: str
    name: str
    auth_type: Literal["apikey", "none"]
    api_key: str | None
    priority: int
    weight: int
    is_active: bool
    test_status: TestStatus
    last_error: str | None
    base_url: str


class Accounts(Struct, frozen=True, kw_only=True):
    """Of every provider."""

    connections: list[AccountReport]


class AccountShown(Struct, frozen=True, kw_only=True):
    """As it is now."""

    connection: AccountReport


class AccountFields(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`apiKey` is a reference (`${env:NAME}`), or the credential itself. `authType` and
    `defaultModel` are taken and not kept: a model is asked for by its name."""

    api_key: Credential | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    weight: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    base_url: Annotated[str, Meta(min_length=1)] | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET
    auth_type: Literal["apikey", "none"] | UnsetType = UNSET
    default_model: str | UnsetType = UNSET


class AccountChange(AccountFields, frozen=True, kw_only=True, rename="camel"):
    """What is left out stays; another `name` renames the connection."""

    name: AccountName | UnsetType = UNSET


class NewAccount(AccountFields, frozen=True, kw_only=True, rename="camel"):
    """A connection to be declared, of a provider that is declared, or of a preset."""

    provider: Annotated[str, Meta(min_length=1, max_length=128)]
    name: AccountName


def accounts(runtime: Runtime) -> Accounts:
    found = declared(runtime.snapshot.config)
    return Accounts(connections=[_report(runtime, *one) for one in found])


def account(runtime: Runtime, id: str) -> AccountShown:
    """Raises RequestError (404)."""
    provider, connection = found_account(runtime, id)
    return AccountShown(connection=_report(runtime, provider, connection))


async def add_account(runtime: Runtime, wanted: NewAccount, *, author: Author) -> AccountShown:
    """Raises RequestError: 404 for a provider that is neither declared nor a preset, 409 where
    there is such a connection, and as `change_config`."""
    presets = (*runtime.snapshot.config.presets, *load_presets())
    kept = await _kept(runtime, wanted.provider, wanted)
    made = _revised({}, wanted, kept)

    def change(tree: dict[str, Any]) -> None:
        providers = cast("dict[str, Any]", tree.get(SECTION) or {})
        entry = cast("dict[str, Any]", providers.get(wanted.provider) or {})
        if wanted.provider not in providers:
            if wanted.provider not in presets:
                raise unknown((SECTION,), wanted.provider)
            entry = {"preset": wanted.provider}
        connections = cast("dict[str, Any]", entry.get("connections") or {})
        if wanted.name in connections:
            message = f'"{wanted.provider}" has a connection "{wanted.name}" already'
            raise RequestError("conflict", message, param="name")
        entry = {**entry, "connections": {**connections, wanted.name: made}}
        tree[SECTION] = {**providers, wanted.provider: entry}

    await _changed(runtime, change, author, kept)
    return account(runtime, f"{wanted.provider}/{wanted.name}")


async def change_account(
    runtime: Runtime, id: str, wanted: AccountChange, *, author: Author
) -> AccountShown:
    """Raises RequestError: 404 for one that no file declares, 409 where the new name is taken, and
    as `change_config`. A credential that another takes the place of is forgotten."""
    provider, connection = found_account(runtime, id)
    name = connection.id if wanted.name is UNSET else wanted.name
    kept = await _kept(runtime, provider.id, wanted)
    old = None
    if wanted.api_key is not UNSET:
        old = kept_secret(runtime.data_dir, connection.api_key)
    edit = changing(_where(id), lambda entry: _revised(entry, wanted, kept), new_name=name)
    await _changed(runtime, edit, author, kept)
    await _forget(old)
    return account(runtime, f"{provider.id}/{name}")


async def remove_account(runtime: Runtime, id: str, *, author: Author) -> None:
    """Raises RequestError as `removing`. A provider that is nothing but its preset goes with
    its last connection. The credential is forgotten."""
    _, connection = found_account(runtime, id)
    where = _where(id)

    def change(tree: dict[str, Any]) -> None:
        removing(where)(tree)
        provider = where.section[1]
        if tree[SECTION][provider].keys() == {"preset"}:
            removing(Where((SECTION,), provider))(tree)

    await change_config(runtime, change, author=author)
    await _forget(kept_secret(runtime.data_dir, connection.api_key))


def _where(id: str) -> Where:
    provider, _, name = id.partition("/")
    return Where((SECTION, provider, "connections"), name)


def found_account(runtime: Runtime, id: str) -> tuple[Provider, Connection]:
    """Raises RequestError (404)."""
    provider, _, name = id.partition("/")
    found = runtime.snapshot.config.providers.get(provider)
    if found is None or name not in found.connections:
        raise RequestError("not_found", f'there is no connection "{id}"', param="id")
    return found, found.connections[name]


async def _kept(runtime: Runtime, provider: str, wanted: AccountFields) -> SecretFile | None:
    """The credential in its file, where it is one and no reference."""
    if wanted.api_key is UNSET:
        return None
    if runtime.snapshot.config.management.write == "off":
        return None  # refused in a moment
    return await asyncio.to_thread(keep_secret, runtime.data_dir, provider, wanted.api_key)


async def _changed(
    runtime: Runtime, change: Change, author: Author, kept: SecretFile | None
) -> None:
    """Make a change, and leave no credential behind where it is refused."""
    try:
        await change_config(runtime, change, author=author)
    except RequestError:
        await _forget(kept)
        raise


async def _forget(kept: SecretFile | None) -> None:
    if kept is not None:
        await asyncio.to_thread(kept.forget)


def _revised(entry: Entry, change: AccountFields, kept: SecretFile | None) -> Entry:
    said: dict[str, Any] = {
        "api_key": change.api_key if kept is None else kept.reference,
        "priority": change.priority,
        "weight": change.weight,
        "base_url": change.base_url,
        "enabled": change.is_active,
    }
    plain = {"priority": _PLAIN.priority, "weight": _PLAIN.weight, "enabled": _PLAIN.enabled}
    changed = {
        name: value
        for name, value in said.items()
        # What is as it would be without being said stays unsaid.
        if value is not UNSET and (name in entry or value != plain.get(name, UNSET))
    }
    return merge(entry, changed)


def _report(runtime: Runtime, provider: Provider, connection: Connection) -> AccountReport:
    key = f"{provider.id}/{connection.id}"
    unavailable = runtime.snapshot.index.unavailable.get(key)
    status, why = _status(runtime, key)
    is_active = connection.enabled and unavailable is None
    path = (SECTION, provider.id, "connections", connection.id)
    return AccountReport(
        id=key,
        provider=provider.id,
        name=connection.id,
        auth_type="none" if connection.api_key is None else "apikey",
        api_key=_last_four(runtime, provider, connection),
        priority=connection.priority,
        weight=connection.weight,
        is_active=is_active,
        test_status=status if is_active else "disabled",
        last_error=unavailable or why,
        base_url=runtime.snapshot.redact(connection.base_url or provider.base_url),
        **place(runtime.snapshot.config.positions.get(path)),
    )


def _status(runtime: Runtime, key: str) -> tuple[TestStatus, str | None]:
    at, live = moment(runtime), runtime.live
    known = live.connections.get(key)
    models = [one for name, one in live.models.items() if name.startswith(f"{key}/")]
    resting = [one for one in (known, *models) if one and one.blocked_until_s > at.loop_s]
    if resting:
        return "error", resting[0].blocked_by
    return ("active" if any(one.succeeded for one in models) else "unknown"), None


def _last_four(runtime: Runtime, provider: Provider, connection: Connection) -> str | None:
    """The end of the credential, as it stands in the header that carries it."""
    outlet = runtime.snapshot.outlets.get(f"{provider.id}/{connection.id}")
    if connection.api_key is None or outlet is None:
        return None
    sent = {name.lower(): value for name, value in outlet.headers}
    for name, value in key_headers(provider, runtime.snapshot.formats, _MARK):
        before, _, after = value.partition(_MARK)
        credential = sent.get(name.lower(), "").removeprefix(before).removesuffix(after)
        if len(credential) >= _SHORTEST:
            return f"…{credential[-_SHOWN_CHARS:]}"
    return "…"
