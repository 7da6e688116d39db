"""Files to one tree: includes merged strictly, overlays laid one over the other.

Two ways of joining files, on purpose different:

- `include` adds. The same id, or the same setting, declared in two files is an error that names
  both places; lists such as `policies` are joined in the order of inclusion, the including file's
  own entries first. Equal `version` lines are no conflict.
- `-c base.yaml -c prod.yaml` overrides. Each file is first completed by its own includes; then
  maps merge deeply, anything else is replaced by the later file, and `null` removes.

An included file must be in the folder of the `-c` file that asks for it, or below. `..`, absolute
paths and symbolic links that lead out are refused: a configuration may come from a pull request,
and a diagnostic shows source lines. Links that stay inside (Kubernetes ConfigMaps) are fine.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Protocol

from msgspec import Struct

from omniroute.config.diagnostics import Diagnostic, Path, Related, error, warning
from omniroute.config.model import Mark
from omniroute.config.yamltree import Entry, Map, Node, Scalar, Seq, parse_yaml

MAX_FILES: Final = 5000
MAX_TOTAL_BYTES: Final = 64 << 20

ID_SECTIONS: Final = frozenset(
    {"keys", "presets", "providers", "aliases", "combos", "budgets", "evals"}
)
"""Sections keyed by id: two files may both have the section, but not the same id in it."""


ENTRY_FOLDERS: Final = ("presets",)
"""Sections whose entries may be files of their own, in a folder of that name beside the first file:
`presets/lab.yaml` is the entry `lab`. What is included from there is a file like any other."""


class Reader(Protocol):
    """Where files come from: a disk, a git tree, a test. Paths use `/`; OSError says why not."""

    def read(self, path: str) -> bytes: ...

    def glob(self, pattern: str) -> Sequence[str]:
        """Existing files that match, sorted; `**` crosses folders."""
        ...

    def real(self, path: str) -> str:
        """The absolute path with every symbolic link followed."""
        ...

    def absolute(self, path: str) -> str: ...

    def exists(self, path: str) -> bool: ...


class TextReader:
    """Files held in memory: a git tree's, or a test's."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._absolute = {self.absolute(path) for path in files}

    def read(self, path: str) -> bytes:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file", path) from None

    def glob(self, pattern: str) -> Sequence[str]:
        return sorted(path for path in self._files if _matches(path, pattern))

    def real(self, path: str) -> str:
        return self.absolute(path)

    def absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join("/", path))

    def exists(self, path: str) -> bool:
        return self.absolute(path) in self._absolute


class ChangedFiles:
    """A Reader's files as they would be with some of them changed."""

    def __init__(self, reader: Reader, changed: Mapping[str, bytes]) -> None:
        self._reader = reader
        self._changed = {reader.real(path): data for path, data in changed.items()}

    def read(self, path: str) -> bytes:
        data = self._changed.get(self._reader.real(path)) if self._changed else None
        return self._reader.read(path) if data is None else data

    def glob(self, pattern: str) -> Sequence[str]:
        return self._reader.glob(pattern)

    def real(self, path: str) -> str:
        return self._reader.real(path)

    def absolute(self, path: str) -> str:
        return self._reader.absolute(path)

    def exists(self, path: str) -> bool:
        return self._reader.exists(path)


class LoadedFiles(Struct, frozen=True, kw_only=True):
    """`root` is None when a file could not be read at all; what could be is in `diagnostics`."""

    root: Map | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    """Text of every file that was read, by the name used in positions."""
    patterns: tuple[str, ...]
    """Include globs as paths; a new file that matches one changes the configuration."""
    complete: bool
    """False when a file's syntax kept part of the configuration unread."""


def load_tree(files: Sequence[str], reader: Reader) -> LoadedFiles:
    """Read `files` as overlays, each with its includes, into one tree."""
    loading = _Loading(reader)
    root: Map | None = None
    for file in files:
        layer = loading.load_root(file, with_entries=file == files[0])
        if layer is not None:
            root = layer if root is None else overlay(root, layer)
    return LoadedFiles(
        root=root,
        diagnostics=tuple(loading.findings),
        sources=loading.sources,
        patterns=tuple(dict.fromkeys(loading.patterns)),
        complete=loading.complete,
    )


def overlay(base: Map, over: Map) -> Map:
    """`over` on `base`: maps merge deeply, null removes, everything else is replaced."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below = entries.get(key)
        if isinstance(entry.value, Scalar) and entry.value.value is None:
            entries.pop(key, None)
        elif isinstance(entry.value, Map) and below is not None and isinstance(below.value, Map):
            entries[key] = Entry(key, entry.mark, overlay(below.value, entry.value))
        else:
            entries[key] = entry
    return Map(entries, over.mark)


class _Loading:
    """One run over all files; findings and sources add up."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings: list[Diagnostic] = []
        self.sources: dict[str, str] = {}
        self.patterns: list[str] = []
        self.complete = True
        self._bytes = 0

    def load_root(self, file: str, *, with_entries: bool) -> Map | None:
        own = self._parse(file, None)
        if own is None:
            return None
        folder = posixpath.dirname(file)
        taken: dict[str, Mark] = {self.reader.absolute(file): Mark(file, 1, 1)}
        merged = self._with_includes(own, folder, folder, taken)
        for section in ENTRY_FOLDERS if with_entries else ():
            for entry in self._entries(posixpath.join(folder, section), taken):
                held = Map({entry.key: entry}, entry.mark)
                whole = Map({section: Entry(section, entry.mark, held)}, entry.mark)
                merged = self._join(merged, whole, ())
        return merged

    def _entries(self, folder: str, taken: Mapping[str, Mark]) -> Iterator[Entry]:
        """The files of a folder, each an entry under its own name."""
        pattern = posixpath.join(folder, "*.yaml")
        self.patterns.append(pattern)
        real_folder = self.reader.real(folder)
        for file in self.reader.glob(pattern):
            mark = Mark(file, 1, 1)
            if self.reader.absolute(file) in taken:
                continue
            if not _inside(self.reader.real(file), real_folder):
                self._refuse(file, mark)
                continue
            root = self._parse(file, None)
            if root is not None:
                name = posixpath.basename(file).removesuffix(".yaml")
                yield Entry(name, mark, root)

    def _parse(self, file: str, asked_at: Mark | None) -> Map | None:
        mark = asked_at or Mark(file, 1, 1)
        try:
            data = self.reader.read(file)
        except OSError as why:
            reason = why.strerror or str(why)
            self.findings.append(error("OR120", mark, f"cannot read {file}: {reason}"))
            self.complete = False
            return None
        self._bytes += len(data)
        if self._bytes > MAX_TOTAL_BYTES or len(self.sources) >= MAX_FILES:
            limit = f"{MAX_FILES} files or {MAX_TOTAL_BYTES >> 20} MiB"
            self.findings.append(error("OR103", mark, f"the configuration has more than {limit}"))
            self.complete = False
            return None
        document = parse_yaml(data, file)
        self.sources[file] = document.text
        self.findings.extend(document.diagnostics)
        if document.root is None:
            self.complete = False
        return document.root

    def _with_includes(self, own: Map, folder: str, top: str, taken: dict[str, Mark]) -> Map:
        """`own` joined with what it includes, in order, nested includes among it."""
        merged = own
        for item, pattern in self._include_items(own):
            for file in self._expand(pattern, item.mark, folder=folder, top=top):
                where = self.reader.absolute(file)
                if where in taken:
                    self.findings.append(
                        error(
                            "OR122",
                            item.mark,
                            f"{file} is included twice, or includes itself",
                            path=("include",),
                            related=(Related(taken[where], "already part of the configuration"),),
                        )
                    )
                    continue
                taken[where] = item.mark
                root = self._parse(file, item.mark)
                if root is not None:
                    inner = self._with_includes(root, posixpath.dirname(file), top, taken)
                    merged = self._join(merged, inner, ())
        return merged

    def _include_items(self, own: Map) -> list[tuple[Scalar, str]]:
        """The patterns; anything else in `include` is left for the schema to report."""
        node = own.get("include")
        items = node.items if isinstance(node, Seq) else ()
        return [
            (item, item.value)
            for item in items
            if isinstance(item, Scalar) and isinstance(item.value, str) and item.value
        ]

    def _expand(self, pattern: str, mark: Mark, *, folder: str, top: str) -> Sequence[str]:
        path = posixpath.normpath(posixpath.join(folder, pattern))
        if posixpath.isabs(pattern) or not _inside(path, top):
            self._refuse(pattern, mark)
            return ()
        wild = any(char in pattern for char in "*?[")
        self.patterns.append(path)
        found = self.reader.glob(path) if wild else [path]
        if not found:
            self.findings.append(
                warning(
                    "OR121",
                    mark,
                    f'"{pattern}" matches no file',
                    path=("include",),
                    hint="patterns start from the folder of the file that holds them",
                )
            )
        real_top = self.reader.real(top or ".")
        kept: list[str] = []
        for file in found:
            if _inside(self.reader.real(file), real_top):
                kept.append(file)
            else:
                self._refuse(file, mark)
        return kept

    def _refuse(self, name: str, mark: Mark) -> None:
        self.findings.append(
            error(
                "OR123",
                mark,
                f'"{name}" is outside the folder of the main file',
                path=("include",),
                hint="move it below that folder, or give it as an overlay with -c",
            )
        )

    def _join(self, left: Map, right: Map, path: Path) -> Map:
        """Both maps' entries; what both declare is joined where that is meant, else an error."""
        entries = dict(left.entries)
        for key, entry in right.entries.items():
            if not path and key == "include":
                continue
            first = entries.get(key)
            if first is None or _is_null(first.value):
                entries[key] = entry
            elif not _is_null(entry.value):
                value = self._join_values(first, entry, (*path, key))
                entries[key] = Entry(key, first.mark, value)
        return Map(entries, left.mark)

    def _join_values(self, first: Entry, second: Entry, path: Path) -> Node:
        match first.value, second.value:
            case Map() as left, Map() as right if len(path) == 1 or path[0] not in ID_SECTIONS:
                return self._join(left, right, path)
            case Seq() as left, Seq() as right if len(path) == 1:
                return Seq(left.items + right.items, left.mark)
            case Scalar() as left, Scalar() as right if path == ("version",):
                if left.value == right.value:
                    return left
            case _:
                pass
        self.findings.append(
            error(
                "OR124",
                second.mark,
                f'"{second.key}" is already declared in another file',
                path=path,
                hint="an include adds and never overrides; to override, use a second -c file",
                related=(Related(first.mark, "first declared here"),),
            )
        )
        return first.value


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _inside(path: str, folder: str) -> bool:
    """Whether a normalised path is below a folder, both absolute or both relative to one place."""
    prefix = "" if folder in ("", ".") else folder.rstrip("/") + "/"
    if not path.startswith(prefix):
        return False
    rest = path.removeprefix(prefix)
    return rest != ".." and not rest.startswith(("../", "/"))


def _matches(path: str, pattern: str) -> bool:
    """Glob as the disk does it: `*` stays in its folder, `**` crosses, dot files need a dot."""
    return _match_parts(path.split("/"), pattern.split("/"))


def _match_parts(parts: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_match_parts(parts[skip:], patterns[1:]) for skip in range(len(parts) + 1))
    if not parts or (parts[0].startswith(".") and not patterns[0].startswith(".")):
        return False
    return fnmatchcase(parts[0], patterns[0]) and _match_parts(parts[1:], patterns[1:])
