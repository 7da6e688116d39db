"""A change of what is declared, as edits of the files that declare it.

What stands somewhere is changed there, an included file's entries too. A new entry joins the others
of its section when they stand in one file; else, and with a new section, it goes into the main one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from omniroute.config.diagnostics import Path
from omniroute.config.edit import aligned, edit_text, same
from omniroute.config.loader import ChangedFiles, LoadedFiles, Reader, load_tree
from omniroute.config.splices import EditError
from omniroute.config.yamltree import Entry, Map, Seq, parse_yaml, to_plain, walk

Values = Mapping[str, Any]
"""Nested maps of values; None takes a key away."""
Change = Callable[[dict[str, Any]], None]
"""Makes of what is declared what is wanted, in place: maps, lists and scalars."""
_BOM: Final = b"\xef\xbb\xbf"


def change_files(file: str, reader: Reader, change: Change) -> Mapping[str, bytes]:
    """The new contents of the main `file` and its includes, of those that have to change.

    Raises EditError when it cannot be done in place, and what `change` raises.
    """
    loaded = load_tree((file,), reader)
    mistake = next((item for item in loaded.diagnostics if item.severity == "error"), None)
    if loaded.root is None or mistake is not None:
        raise EditError(f"{mistake}; mend that first")
    wanted: dict[str, Any] = to_plain(loaded.root)
    change(wanted)
    spread = _Spread(loaded, file)
    spread.map((), loaded.root, wanted, file)
    changed = {
        name: (_BOM if reader.read(name).startswith(_BOM) else b"") + text.encode()
        for name, tree in spread.trees.items()
        if (text := _edited(name, loaded.sources[name], tree)) != loaded.sources[name]
    }
    after = load_tree((file,), ChangedFiles(reader, changed)).root
    if after is None or not same(to_plain(after), wanted):
        raise EditError("the files are joined in an unusual way; change them by hand")
    return changed


def merge(before: object, values: Values) -> dict[str, Any]:
    """A map with `values` in it, maps in maps merged; anything but a map counts as an empty one."""
    found: dict[str, Any] = dict(cast("Values", before)) if isinstance(before, dict) else {}
    for name, value in values.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            found[name] = merge(found.get(name), cast("Values", value))
        else:
            found[name] = value
    return found


def _edited(name: str, text: str, tree: Values) -> str:
    try:
        return edit_text(text, tree)
    except EditError as error:
        raise EditError(f"{name}: {error}") from None


class _Spread:
    """What is wanted of the whole, spread over the files: `trees` are theirs, by name."""

    def __init__(self, loaded: LoadedFiles, main: str) -> None:
        self.trees: dict[str, dict[str, Any]] = {}
        self._sources = loaded.sources
        self._main = main

    def map(self, path: Path, node: Map, wanted: Values, file: str) -> None:
        """`file` is where the map itself stands, which may be joined from several."""
        for name, entry in node.entries.items():
            if name not in wanted:
                for one in _files_of(entry):
                    del self._at(one, path)[name]
            elif not same(to_plain(entry.value), wanted[name]):
                self._entry(path, entry, wanted[name])
        new = [name for name in wanted if name not in node.entries]
        files = {one for entry in node.entries.values() for one in _files_of(entry)} or {file}
        home = next(iter(files)) if len(files) == 1 and path else self._main
        for name in new:
            self._make(home, path)[name] = wanted[name]

    def _entry(self, path: Path, entry: Entry, wanted: object) -> None:
        where = (*path, entry.key)
        match entry.value, wanted:
            case Map() as node, dict() if node.entries:
                self.map(where, node, cast("Values", wanted), entry.mark.file)
            case Seq() as node, list() if node.items and not path:
                self._list(entry.key, node, cast("list[Any]", wanted))
            case _:
                files = _files_of(entry)
                for file in files[1:]:
                    del self._at(file, path)[entry.key]
                self._at(files[0], path)[entry.key] = wanted

    def _list(self, name: str, node: Seq, wanted: Sequence[Any]) -> None:
        """A list's items stay in their files, and new ones join the one before them."""
        files = [item.mark.file for item in node.items]
        parts: dict[str, list[Any]] = {file: [] for file in files}
        here = files[0]
        for old, new in aligned([to_plain(item) for item in node.items], wanted):
            here = here if old is None else files[old]
            if new is not None:
                parts[here].append(wanted[new])
        for file, items in parts.items():
            self._at(file, ())[name] = items

    def _at(self, file: str, path: Path) -> dict[str, Any]:
        """The map at `path` of one file."""
        here = self._tree(file)
        for name in path:
            here = here[cast("str", name)]
        return here

    def _make(self, file: str, path: Path) -> dict[str, Any]:
        """The same, made where it is missing."""
        here = self._tree(file)
        for name in cast("tuple[str, ...]", path):
            if not isinstance(here.get(name), dict):
                here[name] = {}
            here = here[name]
        return here

    def _tree(self, file: str) -> dict[str, Any]:
        if file not in self.trees:
            root = parse_yaml(self._sources[file].encode(), file).root
            self.trees[file] = {} if root is None else to_plain(root)
        return self.trees[file]


def _files_of(entry: Entry) -> list[str]:
    """Every file that declares a part of an entry, the first one first."""
    marks = (entry.mark, *(mark for _, mark, _ in walk(entry.value)))
    return list(dict.fromkeys(mark.file for mark in marks))
