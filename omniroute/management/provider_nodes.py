"""Servers that the files declare by their format and URL, and declaring them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from omniroute.config.model import Provider
from omniroute.errors import RequestError
from omniroute.management.entries import Entry, Resource, at_the_top, unknown
from omniroute.management.place import Place, place
from omniroute.worker.runtime import Runtime

SECTION = "providers"
NodeType = Literal["openai-compatible", "anthropic-compatible"]
ApiType = Literal["chat", "responses"]
Prefix = Annotated[str, Meta(min_length=1, max_length=128)]
Url = Annotated[str, Meta(min_length=1, max_length=2048)]
FORMATS: Final[dict[tuple[NodeType, ApiType], str]] = {
    ("openai-compatible", "chat"): "openai-chat",
    ("openai-compatible", "responses"): "openai-responses",
    ("anthropic-compatible", "chat"): "anthropic",
}
"""What clients of the original call the formats of such servers."""


class NodeReport(Place, frozen=True, kw_only=True, rename="camel"):
    """One server. `type` and `apiType` are null where its `format` is none that these name."""

    id: str
    name: str
    prefix: str
    type: NodeType | None
    api_type: ApiType | None
    format: str
    base_url: str
    allow_private_network: bool


class Nodes(Struct, frozen=True, kw_only=True):
    """All that are declared without a preset."""

    nodes: list[NodeReport]


class NodeShown(Struct, frozen=True, kw_only=True):
    """As it is now."""

    node: NodeReport


class NodeFields(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A `format` says what `type` and `apiType` do, and more. `name` is taken and not kept: a
    provider is called by its prefix."""

    name: str | UnsetType = UNSET
    type: NodeType | UnsetType = UNSET
    api_type: ApiType | UnsetType = UNSET
    format: str | UnsetType = UNSET
    allow_private_network: bool | UnsetType = UNSET


class NodeChange(NodeFields, frozen=True, kw_only=True, rename="camel"):
    """What is left out stays; another `prefix` renames the provider."""

    prefix: Prefix | UnsetType = UNSET
    base_url: Url | UnsetType = UNSET


class NewNode(NodeFields, frozen=True, kw_only=True, rename="camel"):
    """A server to be declared; without a `type` it speaks as OpenAI's."""

    prefix: Prefix
    base_url: Url


def nodes(runtime: Runtime) -> Nodes:
    found = runtime.snapshot.config.providers.values()
    return Nodes(nodes=[_report(runtime, one) for one in found if one.preset is None])


def node(runtime: Runtime, id: str) -> NodeShown:
    """Raises RequestError (404), for a provider with a preset too."""
    found = runtime.snapshot.config.providers.get(id)
    if found is None or found.preset is not None:
        raise unknown((SECTION,), id)
    return NodeShown(node=_report(runtime, found))


def _report(runtime: Runtime, provider: Provider) -> NodeReport:
    names = {format: name for name, format in FORMATS.items()}.get(provider.format)
    return NodeReport(
        id=provider.id,
        name=provider.id,
        prefix=provider.id,
        type=None if names is None else names[0],
        api_type=None if names is None else names[1],
        format=provider.format,
        base_url=runtime.snapshot.redact(provider.base_url),
        allow_private_network=provider.allow_private_network,
        **place(runtime.snapshot.config.positions.get((SECTION, provider.id))),
    )


def _made(wanted: NewNode) -> Entry:
    return _with({"format": FORMATS["openai-compatible", "chat"]}, wanted)


def _revised(entry: Entry, wanted: NodeChange) -> Entry:
    return _with(entry, wanted)


def _with(entry: Entry, change: NodeChange | NewNode) -> Entry:
    said: dict[str, Any] = {
        "format": _format(entry.get("format"), change),
        "base_url": change.base_url,
        "allow_private_network": change.allow_private_network,
    }
    changed = {
        name: value
        for name, value in said.items()
        if value is not UNSET and (name in entry or value is not False)
    }
    return {**entry, **changed}


def _format(before: Any, change: NodeFields) -> str | UnsetType:
    """Raises RequestError (400) for a pair that no format has."""
    if change.format is not UNSET:
        return change.format
    if change.type is UNSET and change.api_type is UNSET:
        return UNSET
    known = {format: name for name, format in FORMATS.items()}.get(before)
    type_, api_type = known or ("openai-compatible", "chat")
    wanted = (
        type_ if change.type is UNSET else change.type,
        api_type if change.api_type is UNSET else change.api_type,
    )
    if wanted not in FORMATS:
        message = f"no format is {wanted[0]} and {wanted[1]}"
        raise RequestError("invalid_request", message, param="apiType")
    return FORMATS[wanted]


NODES = Resource(
    noun="provider node",
    where=at_the_top(SECTION),
    show_all=nodes,
    show=node,
    id_of=lambda wanted: wanted.prefix,
    made=_made,
    revised=_revised,
    renamed=lambda id, change: id if change.prefix is UNSET else change.prefix,
)
