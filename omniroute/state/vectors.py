"""Vectors by group, searched exactly: the nearest by cosine, never across a group.

Bounded by entries; what was found longest ago goes. numpy is loaded with the first vector, since
it costs a tenth of a second and twenty megabytes that most gateways save.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy

    Matrix = numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float32]]
    Row = numpy.ndarray[tuple[int], numpy.dtype[numpy.float32]]

_DIGITS: Final = 6
"""Of a cosine: what 32-bit floats can tell, so that equal texts are equal."""
_FIRST_ROWS: Final = 4  # most groups stay small: one conversation, asked once


class Near(NamedTuple):
    """A vector that was found, and its cosine with the one asked for."""

    name: str
    similarity: float


class _Group:
    """The vectors of one group, of length 1, in one matrix, so that a search is one call."""

    __slots__ = ("matrix", "names")

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.names: list[str] = []


class Vectors:
    """Owned by one worker."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._group_of: OrderedDict[str, str] = OrderedDict()

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
        import numpy

        row = _direction(vector)
        place = self._groups.get(group)
        if place is None:
            place = self._groups[group] = _Group(
                numpy.empty((_FIRST_ROWS, len(row)), numpy.float32)
            )
        rows, width = place.matrix.shape
        if width != len(row):
            return
        count = len(place.names)
        if count == rows:
            grown = numpy.empty((rows * 2, width), numpy.float32)
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
        import numpy

        row = _direction(vector)
        if place.matrix.shape[1] != len(row):
            return
        names = tuple(place.names)
        # Row by row in this thread: a product of matrices would wake others, which on a busy
        # machine takes longer than the search.
        cosines = numpy.vecdot(place.matrix[: len(names)], row)
        for at in numpy.argsort(-cosines, kind="stable")[:MAX_FOUND]:
            similarity = round(float(cosines[at]), _DIGITS)
            if similarity >= threshold:
                yield Near(names[int(at)], similarity)

    def used(self, name: str) -> None:
        """Put it behind all others that may have to go."""
        if name in self._group_of:
            self._group_of.move_to_end(name)


def _direction(vector: bytes) -> Row:
    """The vector at length 1, so that a product of two is their cosine; zeros stay."""
    import numpy

    row = numpy.frombuffer(vector, dtype="<f4").astype(numpy.float32)
    length = float(numpy.linalg.norm(row))
    return row / numpy.float32(length) if length else row


MAX_FOUND: Final = 4
"""How many to try: the nearest may have expired in the store that workers share."""
