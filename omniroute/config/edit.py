"""Edits on a configuration's text that leave every other character as it was.

The text is changed, not the tree: comments, quotes, order and anchors stay. What is wanted is given
as a whole, and only what differs from it is written anew, where it stands; what is new is laid out
as its neighbours are. The result is read again and compared with what was wanted, so a layout that
was not foreseen is an error and never a broken file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final, NoReturn, cast

import orjson

from omniroute.config.diagnostics import Path, render_path
from omniroute.config.layout import Spot, SpotEntry, parse_layout
from omniroute.config.splices import EditError, Part, Splices
from omniroute.config.written import (
    is_literal,
    literal_head,
    literal_lines,
    write_block,
    write_entry,
    write_flow,
    write_item,
    write_text,
)
from omniroute.config.yamltree import Map, Node, Seq, parse_yaml, to_plain

_LEVELS: Final = 2  # sections and their entries stand on lines of their own, whatever fits
_INDENT: Final = "  "


def edit_text(text: str, wanted: Mapping[str, Any]) -> str:
    """`text`, changed so that it says `wanted`: maps, lists and scalars, keyed by text.

    The same text when it says so already. Raises EditError when that cannot be done in place.
    """
    document = parse_yaml(text.encode(), "file")
    if document.root is None or document.diagnostics:
        raise EditError("the file has mistakes; run `omniroute check` first")
    if same(to_plain(document.root), wanted):
        return text
    layout = parse_layout(text)
    writing = _Writing(text)
    if layout is None:
        lines = write_block(wanted, "", levels=_LEVELS)
        writing.at_the_end(lines)
    else:
        writing.value((), layout, document.root, wanted, entry=None, flow=False)
    edited = writing.splices.made()
    after = parse_yaml(edited.encode(), "file")
    if after.root is None or after.diagnostics or not same(to_plain(after.root), wanted):
        raise EditError("the file is laid out in an unusual way; change it by hand")
    return edited


def same(one: object, other: object) -> bool:
    """Whether two values are read alike: true is not 1, and the order in maps does not count."""
    try:
        return _canonical(one) == _canonical(other)
    except orjson.JSONEncodeError as error:
        raise EditError(f"the value cannot be written: {error}") from None


def _canonical(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def aligned(
    before: Sequence[object], wanted: Sequence[object]
) -> list[tuple[int | None, int | None]]:
    """Which item of a list became which, in order; None where one goes or is new.

    An item stays the same one while its `id`, `name` or `model` does, or all of it.
    """
    old, new = [_identity(item) for item in before], [_identity(item) for item in wanted]
    pairs: list[tuple[int | None, int | None]] = []
    for _, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        both = min(end - start, last - first)
        pairs += zip(range(start, start + both), range(first, first + both), strict=True)
        pairs += ((at, None) for at in range(start + both, end))
        pairs += ((None, at) for at in range(first + both, last))
    return pairs


def _identity(item: object) -> bytes:
    match item:
        case {"id": str(name)} | {"name": str(name)} | {"model": str(name)}:
            return name.encode()
        case str():
            return item.encode()
        case _:
            return _canonical(item)


def _refuse(path: Path, why: str) -> NoReturn:
    where = f"`{render_path(path)}` " if path else "the file "
    raise EditError(f"{where}{why}; change it by hand")


class _Writing:
    """One walk over a text's layout, beside its tree: where it differs, it is spliced."""

    def __init__(self, text: str) -> None:
        self.splices = Splices(text)

    def value(
        self,
        path: Path,
        spot: Spot,
        node: Node,
        wanted: object,
        *,
        entry: SpotEntry | None,
        flow: bool,
    ) -> None:
        """What stands at `spot`, as the value of `entry` or in a list, becomes `wanted`.

        `flow` says whether it stands within brackets.
        """
        if same(to_plain(node), wanted):
            return
        if spot.kind == "alias":
            _refuse(path, "is an alias (`*…`), which says what its anchor says")
        match node, wanted:
            case Map(), dict() if spot.entries and (wanted or not spot.flow):
                self._map(path, spot, node, cast("dict[str, Any]", wanted), entry)
            case Seq(), list() if spot.items and (wanted or not spot.flow):
                self._seq(path, spot, node, cast("list[Any]", wanted), entry)
            case _:
                self._replace(path, spot, wanted, None if flow else entry)

    def at_the_end(self, lines: Sequence[str]) -> None:
        """Sections behind all that is there."""
        text = self.splices.text
        end = len(text.rstrip())
        if end:
            self.splices.put_lines(end, ["", *lines])
        else:
            self.splices.put_lines_before(0, lines)

    # --- maps and lists of which something stays ---

    def _map(
        self, path: Path, spot: Spot, node: Map, wanted: Mapping[str, Any], at: SpotEntry | None
    ) -> None:
        for name, one in node.entries.items():
            own = spot.entries.get(name)
            if own is None and name not in wanted:
                _refuse((*path, name), "comes from a merge (`<<`)")
            if own is not None and name in wanted:
                where = (*path, name)
                self.value(where, own.value, one.value, wanted[name], entry=own, flow=spot.flow)
        gone = [name for name in spot.entries if name not in wanted and name != "<<"]
        new = {
            name: value
            for name, value in wanted.items()
            if name not in spot.entries
            and not (name in node.entries and same(to_plain(node.entries[name].value), value))
        }
        parts = {name: (own.start, own.value.end) for name, own in spot.entries.items()}
        if spot.flow:
            fresh = [f"{write_text(name)}: {write_flow(value)}" for name, value in new.items()]
            leaving = {at for at, name in enumerate(parts) if name in gone}
            self._brackets(spot, list(parts.values()), leaving, {len(parts): fresh})
            return
        if new:
            self._new_entries(path, spot, new)
        if len(gone) == len(parts) and not new:
            self._emptied(path, spot, list(parts.values()), at)
        elif gone and self.splices.starts_inside(spot.inner):
            self._from_a_dash(path, parts, gone)
        else:
            for name in gone:
                self.splices.take_lines(*parts[name])

    def _new_entries(self, path: Path, spot: Spot, new: Mapping[str, Any]) -> None:
        first, *_, last = (*spot.entries.values(), *spot.entries.values())
        indent = " " * self.splices.column(first.start)
        flow = _in_brackets(own.value for own in spot.entries.values())
        lines = [
            line
            for name, value in new.items()
            for line in write_entry(
                name,
                value,
                indent,
                levels=self._levels((*path, name), flow=flow),
                flow=bool(path) and flow is True,
            )
        ]
        if path:
            self.splices.put_lines_below(last.value.end, len(indent), lines)
        else:
            self.at_the_end(lines)

    def _from_a_dash(self, path: Path, parts: Mapping[str, Part], gone: Sequence[str]) -> None:
        """Entries of a map whose first stands beside a dash."""
        names = list(parts)
        kept = next((at for at, name in enumerate(names) if name not in gone), None)
        if kept is None:
            _refuse(path, "would have nothing left beside its dash")
        if kept:
            start, end = parts[names[0]][0], parts[names[kept]][0]
            self.splices.cut(start, end, [parts[name] for name in names[:kept]])
        for name in gone:
            if name not in names[:kept]:
                self.splices.take_lines(*parts[name])

    def _seq(
        self, path: Path, spot: Spot, node: Seq, wanted: list[Any], at: SpotEntry | None
    ) -> None:
        gone: set[int] = set()
        added: dict[int, list[Any]] = {}
        passed = 0
        for old, new in aligned([to_plain(item) for item in node.items], wanted):
            if old is None or new is None:
                if old is not None:
                    gone.add(old)
                elif new is not None:
                    added.setdefault(passed, []).append(wanted[new])
            else:
                item = (*path, old), spot.items[old], node.items[old], wanted[new]
                self.value(*item, entry=None, flow=spot.flow)
            passed += old is not None
        if spot.flow:
            parts = [(item.start, item.end) for item in spot.items]
            fresh = {at: [write_flow(value) for value in values] for at, values in added.items()}
            self._brackets(spot, parts, gone, fresh)
        elif gone or added:
            self._dashes(path, spot, gone, added, at)

    def _dashes(
        self,
        path: Path,
        spot: Spot,
        gone: Collection[int],
        added: Mapping[int, Sequence[Any]],
        at: SpotEntry | None,
    ) -> None:
        """Items go, and new ones come, each behind so many of the old."""
        parts = [(self._dash(path, spot, item), item.end) for item in spot.items]
        column, flow = self.splices.column(spot.inner), _in_brackets(spot.items)
        for before_new, values in added.items():
            lines = [
                line
                for value in values
                for line in write_item(
                    value, " " * column, levels=int(flow is False), flow=flow is True
                )
            ]
            if before_new:
                self.splices.put_lines_below(parts[before_new - 1][1], column, lines)
            elif self.splices.starts_inside(spot.inner):
                _refuse(path, "begins on the line of another list")
            else:
                self.splices.put_lines_before(spot.inner, lines)
        if len(gone) == len(parts) and not added:
            self._emptied(path, spot, parts, at)
        else:
            for index in gone:
                self.splices.take_lines(*parts[index])

    def _dash(self, path: Path, spot: Spot, item: Spot) -> int:
        """Where the dash of an item stands: in the column of the list's first."""
        column, text = self.splices.column(spot.inner), self.splices.text
        line = self.splices.line_start(item.start)
        while line >= self.splices.line_start(spot.inner):
            at = line + column
            if at < max(item.start, spot.inner + 1) and text[at] == "-":
                return at
            line = self.splices.line_start(line - 1)
        _refuse(path, "has dashes that do not stand below each other")

    def _brackets(
        self,
        spot: Spot,
        parts: Sequence[Part],
        gone: Collection[int],
        new: Mapping[int, Sequence[str]],
    ) -> None:
        """Of the parts in brackets some go, and new ones come, each behind so many of the old."""
        first = next((at for at in range(len(parts)) if at not in gone), None)
        if first is None:
            fresh = ", ".join(one for values in new.values() for one in values)
            self.splices.cut(spot.inner + 1, spot.end - 1, parts, fresh)
            return
        if first:
            self.splices.cut(parts[0][0], parts[first][0], parts[:first])
        for at in range(first + 1, len(parts)):
            if at in gone:
                self.splices.cut(parts[at - 1][1], parts[at][1], [parts[at]])
        for before_new, values in new.items():
            if before_new <= first:
                start = parts[first][0]
                self.splices.put(start, start, "".join(f"{one}, " for one in values))
            else:
                end = parts[before_new - 1][1]
                self.splices.put(end, end, "".join(f", {one}" for one in values))

    def _emptied(self, path: Path, spot: Spot, parts: Sequence[Part], at: SpotEntry | None) -> None:
        """All lines of a block go; brackets take their place behind its key or its dash."""
        empty = "{}" if spot.kind == "map" else "[]"
        if self.splices.starts_inside(spot.inner):
            self.splices.cut(spot.inner, spot.end, parts, empty)
            return
        if path:
            if at is None or at.colon is None or spot.anchored:
                _refuse(path, "would be empty")
            self.splices.put(at.colon, at.colon, f" {empty}")
        for part in parts:
            self.splices.take_lines(*part)

    # --- values that give way as a whole ---

    def _replace(self, path: Path, spot: Spot, wanted: object, entry: SpotEntry | None) -> None:
        """`entry` is None within brackets and in lists, where the new value is put on one line."""
        block = bool(spot.entries or spot.items) and not spot.flow
        if block and spot.anchored:
            _refuse(path, "has an anchor (`&…`)")
        lines: list[str] = []
        head = _like(wanted, spot)
        if entry is not None and entry.colon is not None:
            lines, head = self._laid_out(path, spot, wanted, entry, head)
        if not block:
            start = spot.inner
            if not head:
                start = len(self.splices.text[:start].rstrip())
            elif self.splices.text[start - 1] in ":-":
                head = f" {head}"
            self.splices.put(start, spot.end, head)
            if lines:
                self.splices.put_lines(spot.end, lines)
        elif entry is None or entry.colon is None:
            self.splices.cut(spot.start, spot.end, [(spot.start, spot.end)], head)
        else:
            self.splices.put(entry.colon, entry.colon, f" {head}" if head else "")
            if lines:
                self.splices.put_lines(entry.colon, lines)
            self.splices.take_lines(spot.start, spot.end)

    def _laid_out(
        self, path: Path, spot: Spot, wanted: object, entry: SpotEntry, one_line: str
    ) -> tuple[list[str], str]:
        """The lines below the key that a value takes, and what stands beside the key."""
        indent = " " * self.splices.column(entry.start)
        if isinstance(wanted, str):
            if is_literal(wanted):
                return literal_lines(wanted, indent + _INDENT), literal_head(wanted)
            return [], one_line
        flow = spot.flow and bool(spot.entries or spot.items)
        levels = self._levels(path, flow=flow or None)
        lines = write_entry("", wanted, indent, levels=levels, flow=flow)[1:]
        return lines, "" if lines else one_line

    def _levels(self, path: Path, *, flow: bool | None) -> int:
        """How many levels of a new value have a line for each entry; `flow` is its neighbours'."""
        if len(path) == 1:
            return _LEVELS
        if flow is None:
            return max(0, _LEVELS + 1 - len(path))
        return 0 if flow else 1


def _in_brackets(values: Iterable[Spot]) -> bool | None:
    """Whether the last map among some is written in brackets; None when there is none."""
    maps = [value for value in values if value.kind == "map" and value.entries]
    return maps[-1].flow if maps else None


def _like(wanted: object, spot: Spot) -> str:
    """A value on one line; text keeps the quotes that its predecessor had."""
    quote = spot.style if spot.style in ("'", '"') else ""
    return write_text(wanted, quote=quote) if isinstance(wanted, str) else write_flow(wanted)
