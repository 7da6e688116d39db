"""Where in a YAML text each value stands, to the character: what an edit splices at.

`yamltree` tells what a file says; this tells how it is written. Only for a text that it reads
without a finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import yaml
from msgspec import Struct

_PROPERTIES: Final = re.compile(r"(?:[&!]\S*[ \t]+)+")
"""An anchor and a tag before a value."""
_COLON: Final = re.compile(r"[ \t]*:")


class SpotEntry(Struct, frozen=True, kw_only=True):
    """A key of a map: from `start` to `end`, then a colon that ends at `colon`, and a value."""

    start: int
    end: int
    colon: int | None
    """None where none follows on the key's line."""
    value: Spot


class Spot(Struct, frozen=True, kw_only=True):
    """One value; positions count characters, from 0.

    `end` is behind its last character: a block's ends with its last value, not where the next
    begins. `inner` is `start` without an anchor and a tag.
    """

    kind: Literal["scalar", "map", "seq", "alias"]
    start: int
    inner: int
    end: int
    flow: bool = False
    """Of a map or a list: written in brackets."""
    style: str = ""
    """Of a scalar: its quote, `|` or `>`."""
    anchored: bool = False
    entries: Mapping[str, SpotEntry] = {}
    """In their order; a merge is the entry `<<`."""
    items: tuple[Spot, ...] = ()


def parse_layout(text: str) -> Spot | None:
    """The layout of a text that `parse_yaml` has read; None when it holds nothing."""
    parser = yaml.CLoader(text)
    try:
        return _Layout(text).read(parser)
    finally:
        parser.dispose()


class _Layout:
    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, parser: Any) -> Spot | None:
        found: Spot | None = None
        while parser.check_event():
            event = parser.get_event()
            if isinstance(event, yaml.NodeEvent):
                found = self._spot(event, parser)
        if found is not None and found.kind == "scalar" and found.start == found.end:
            return None
        return found

    def _spot(self, event: Any, parser: Any) -> Spot:
        start = event.start_mark.index
        properties = _PROPERTIES.match(self._text, start)
        inner = start if properties is None else properties.end()
        anchored = event.anchor is not None
        match event:
            case yaml.AliasEvent():
                return Spot(kind="alias", start=start, inner=start, end=event.end_mark.index)
            case yaml.ScalarEvent():
                end = event.end_mark.index
                if event.style in ("|", ">"):
                    end = start + len(self._text[start:end].rstrip())
                return Spot(
                    kind="scalar",
                    start=start,
                    inner=min(inner, end),
                    end=end,
                    style=event.style or "",
                    anchored=anchored,
                )
            case yaml.MappingStartEvent():
                entries, end = self._entries(parser)
                last = list(entries.values())[-1].value.end if entries else inner
                return Spot(
                    kind="map",
                    start=start,
                    inner=inner,
                    end=end if event.flow_style else last,
                    flow=event.flow_style,
                    anchored=anchored,
                    entries=entries,
                )
            case _:
                items, end = self._items(parser)
                last = items[-1].end if items else inner
                return Spot(
                    kind="seq",
                    start=start,
                    inner=inner,
                    end=end if event.flow_style else last,
                    flow=event.flow_style,
                    anchored=anchored,
                    items=items,
                )

    def _entries(self, parser: Any) -> tuple[dict[str, SpotEntry], int]:
        found: dict[str, SpotEntry] = {}
        while not isinstance(key := parser.get_event(), yaml.MappingEndEvent):
            value = self._spot(parser.get_event(), parser)
            end = key.end_mark.index
            colon = _COLON.match(self._text, end)
            found[key.value] = SpotEntry(
                start=key.start_mark.index,
                end=end,
                colon=None if colon is None else colon.end(),
                value=value,
            )
        return found, key.end_mark.index

    def _items(self, parser: Any) -> tuple[tuple[Spot, ...], int]:
        found: list[Spot] = []
        while not isinstance(event := parser.get_event(), yaml.SequenceEndEvent):
            found.append(self._spot(event, parser))
        return tuple(found), event.end_mark.index
