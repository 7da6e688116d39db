"""Vectors by group, searched exactly: the nearest by cosine, never across a group.

Bounded by entries; what was found longest ago goes. The numerical libraries are loaded with the
first vector, since they cost a fifth of a second and thirty megabytes that most gateways save.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final, NamedTuple

_FIRST_ROWS: Final = 4  # most groups stay small: one conversation, asked once


class Near(NamedTuple):
    """A vector that was found, and its cosine with the one asked for."""

    name: str
    similarity: float


class _Group:
    """The vectors of one group in one matrix, so that a search is one call."""

    __slots__ = ("matrix", "names")

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        self.names: list[str] = []


class Vectors:
    """Owned by one worker."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._group_of: OrderedDict[str, str] = OrderedDict()
        self._numpy: Any = None
        self._usearch: Any = None

    def __len__(self) -> int:
        return len(self._group_of)

    def __contains__(self, name: str) -> bool:
        return name in self._group_of

    def add(self, group: str, name: str, vector: bytes, *, max_entries: int) -> None:
        """Keep a vector, given as little-endian 32-bit floats, under a fresh name.

        One of another length than the group's is not kept.
        """
        self.drop(name)
        while self._group_of and len(self._group_of) >= max_entries:
            self.drop(next(iter(self._group_of)))
        numpy = self._load()
        row = numpy.frombuffer(vector, dtype="<f4")
        place = self._groups.get(group)
        if place is None:
            place = self._groups[group] = _Group(numpy.empty((_FIRST_ROWS, len(row)), "f4"))
        rows, width = place.matrix.shape
        if width != len(row):
            return
        count = len(place.names)
        if count == rows:
            grown = numpy.empty((rows * 2, width), "f4")
            grown[:rows] = place.matrix
            place.matrix = grown
        place.matrix[count] = row
        place.names.append(name)
        self._group_of[name] = group

    def drop(self, name: str) -> None:
        group = self._group_of.pop(name, None)
        if group is None:
            return
        place = self._groups[group]
        at, last = place.names.index(name), len(place.names) - 1
        place.matrix[at] = place.matrix[last]
        place.names[at] = place.names[last]
        place.names.pop()
        if not place.names:
            del self._groups[group]

    def near(self, group: str, vector: bytes, *, threshold: float) -> Iterator[Near]:
        """Those of the group that are as near as `threshold`, the nearest first.

        Between two of them, entries may come and go.
        """
        place = self._groups.get(group)
        if place is None:
            return
        row = self._load().frombuffer(vector, dtype="<f4")
        if place.matrix.shape[1] != len(row):
            return
        names = tuple(place.names)
        # One thread: a search takes less time than waking others, and the machine has other work.
        found = self._usearch.search(
            place.matrix[: len(names)],
            row,
            min(len(names), MAX_FOUND),
            self._usearch.MetricKind.Cos,
            exact=True,
            threads=1,
        )
        for at, distance in zip(found.keys, found.distances, strict=True):
            similarity = 1.0 - float(distance)
            if similarity >= threshold:
                yield Near(names[int(at)], similarity)

    def used(self, name: str) -> None:
        """Put it behind all others that may have to go."""
        if name in self._group_of:
            self._group_of.move_to_end(name)

    def _load(self) -> Any:
        if self._numpy is None:
            self._numpy = import_module("numpy")
            self._usearch = import_module("usearch.index")
        return self._numpy


MAX_FOUND: Final = 4
"""How many to try: the nearest may have expired in the store that workers share."""
