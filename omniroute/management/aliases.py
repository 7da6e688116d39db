"""Other names of models, exact and with wildcards, and declaring them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from omniroute.errors import RequestError
from omniroute.management.entries import Where, removing
from omniroute.management.writeback import Author, change_config, change_section
from omniroute.worker.runtime import Runtime

SECTION = "aliases"
ModelName = Annotated[str, Meta(min_length=1, max_length=512)]


class Aliases(Struct, frozen=True, kw_only=True, rename="camel"):
    """What each name, or pattern, stands for."""

    aliases: dict[str, str]


class Alias(Struct, frozen=True, kw_only=True, rename="camel"):
    """`alias` stands for `model`."""

    alias: ModelName
    model: ModelName


class AliasSet(Alias, frozen=True, kw_only=True, rename="camel"):
    """As it is now."""

    success: bool


def aliases(runtime: Runtime) -> Aliases:
    return Aliases(aliases=dict(runtime.snapshot.config.aliases))


async def set_alias(runtime: Runtime, wanted: Alias, *, author: Author) -> AliasSet:
    """Declare an alias, or point it elsewhere. Raises RequestError as `change_config`."""
    values: dict[str, Any] = {wanted.alias: wanted.model}
    await change_section(runtime, SECTION, values, author=author)
    return AliasSet(success=True, alias=wanted.alias, model=wanted.model)


async def remove_alias(runtime: Runtime, alias: str, *, author: Author) -> None:
    """Raises RequestError: 400 where none is named, 404 where there is no such, and as
    `change_config`."""
    if not alias:
        raise RequestError("invalid_request", "name an alias: ?alias=…", param="alias")
    await change_config(runtime, removing(Where((SECTION,), alias)), author=author)
