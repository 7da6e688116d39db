"""Which addresses may come in: what is in force, and changing it in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.config.change import Values, merge
from omniroute.config.model import IpFilter
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

Network = Annotated[str, Meta(min_length=1, max_length=64)]
Surfaces = list[Literal["inference", "management"]]
Kind = Literal["allow", "deny"]
Named = Literal["whitelist", "blacklist"]
_NAMES: Final[Mapping[Kind, Named]] = {"allow": "whitelist", "deny": "blacklist"}


class IpFilterReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """With `whitelist` only those of the list come in, with `blacklist` all but those."""

    enabled: bool
    mode: Literal["whitelist", "blacklist"]
    whitelist: list[str]
    blacklist: list[str]
    apply_to: Surfaces


class IpFilterChange(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is left out stays; `add…` and `remove…` are one address or network."""

    enabled: bool | UnsetType = UNSET
    mode: Literal["whitelist", "blacklist"] | UnsetType = UNSET
    whitelist: list[Network] | UnsetType = UNSET
    blacklist: list[Network] | UnsetType = UNSET
    add_whitelist: Network | UnsetType = UNSET
    add_blacklist: Network | UnsetType = UNSET
    remove_whitelist: Network | UnsetType = UNSET
    remove_blacklist: Network | UnsetType = UNSET
    apply_to: Surfaces | UnsetType = UNSET


def ip_filter(runtime: Runtime) -> IpFilterReport:
    rules = runtime.snapshot.config.ip_filter
    return IpFilterReport(
        enabled=rules.mode != "off",
        mode=_NAMES[_kind_of(rules.mode, rules.allow, rules.deny)],
        whitelist=list(rules.allow),
        blacklist=list(rules.deny),
        apply_to=list(rules.apply_to),
    )


async def change_ip_filter(
    runtime: Runtime, wanted: IpFilterChange, *, author: Author
) -> IpFilterReport:
    """Raises RequestError as `change_config`: 422 where the author would be shut out."""

    def change(tree: dict[str, Any]) -> None:
        before = cast("Mapping[str, Any]", tree.get("ip_filter") or {})
        after = merge(before, _values(before, wanted))
        if after != before:
            tree["ip_filter"] = after

    await change_config(runtime, change, author=author)
    return ip_filter(runtime)


def _kind_of(mode: str, allow: Sequence[str], deny: Sequence[str]) -> Kind:
    """Which list decides; while the filter is off, the one that says something."""
    if mode == "off":
        return "allow" if allow and not deny else "deny"
    return "allow" if mode == "allow" else "deny"


def _values(before: Values, wanted: IpFilterChange) -> Values:
    """What is to be another than the file says, as its fields."""
    mode: str = before.get("mode", "off")
    allow, deny = list(before.get("allow") or ()), list(before.get("deny") or ())
    enabled, kind = mode != "off", _kind_of(mode, allow, deny)
    if wanted.enabled is not UNSET:
        enabled = wanted.enabled
    if wanted.mode is not UNSET:
        kind = "allow" if wanted.mode == "whitelist" else "deny"
    values: dict[str, Any] = {}
    if mode != (kind if enabled else "off"):
        values["mode"] = kind if enabled else "off"
    for name, listed, whole, more, less in (
        ("allow", allow, wanted.whitelist, wanted.add_whitelist, wanted.remove_whitelist),
        ("deny", deny, wanted.blacklist, wanted.add_blacklist, wanted.remove_blacklist),
    ):
        after = [one for one in (listed if whole is UNSET else whole) if one != less]
        if more is not UNSET and more not in after:
            after.append(more)
        if after != listed:
            values[name] = after or None
    surfaces = wanted.apply_to
    if surfaces is not UNSET and surfaces != list(before.get("apply_to", IpFilter().apply_to)):
        values["apply_to"] = surfaces
    return values
