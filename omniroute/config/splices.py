"""Changes of a text by position, collected first and made all at once."""

from __future__ import annotations

from collections.abc import Sequence

from omniroute.errors import OmnirouteError


class EditError(OmnirouteError):
    """The text cannot be edited in place; the message says what to do by hand."""


Part = tuple[int, int]
"""From where to where something stands that goes."""


class Splices:
    """Positions count characters of the text as it was; no two changes may overlap."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._splices: list[tuple[int, int, str]] = []

    def made(self) -> str:
        """The text with every change in it. Raises EditError when two meet."""
        parts: list[str] = []
        at = 0
        for start, end, new in sorted(self._splices, key=lambda splice: splice[:2]):
            if start < at:
                raise EditError("two changes overlap; make one of them by hand")
            parts += (self.text[at:start], new)
            at = end
        return "".join((*parts, self.text[at:]))

    def put(self, start: int, end: int, new: str) -> None:
        """`new` in the place of what stands from `start` to `end`."""
        self._splices.append((start, end, new))

    def cut(self, start: int, end: int, parts: Sequence[Part], new: str = "") -> None:
        """As `put`, where `parts` go with what is between them, which must not be a comment."""
        at = start
        for begin, finish in (*parts, (end, end)):
            if "#" in self.text[at:begin]:
                raise EditError("a comment stands between what is to go; change it by hand")
            at = finish
        self.put(start, end, new)

    def put_lines(self, at: int, lines: Sequence[str]) -> None:
        """Lines behind the one in which `at` is."""
        end = self.line_end(at)
        self.put(end, end, "".join(self._newline + line for line in lines))

    def put_lines_before(self, at: int, lines: Sequence[str]) -> None:
        start = self.line_start(at)
        self.put(start, start, "".join(line + self._newline for line in lines))

    def put_lines_below(self, end: int, column: int, lines: Sequence[str]) -> None:
        """Lines behind the one that ends a value in `column`, and the comments that are its own.

        A comment further left belongs to what follows.
        """
        last = at = self.line_end(end)
        while at < len(self.text):
            at = self.line_end(self._next_line(at))
            line = self.text[self.line_start(at) : at]
            bare = line.lstrip(" ")
            if bare.startswith("#") and len(line) - len(bare) >= column:
                last = at
            elif bare:
                break
        self.put_lines(last, lines)

    def take_lines(self, start: int, end: int) -> None:
        """Take whole lines away, and a blank one where two would meet.

        Raises EditError when something else than a comment shares a line with what goes.
        """
        begin, finish = self.line_start(start), self.line_end(end)
        tail = self.text[end:finish].strip()
        if self.starts_inside(start) or (tail and not tail.startswith("#")):
            raise EditError("what is to go shares its line with something else; do it by hand")
        if not begin:
            self.put(0, self._next_line(finish), "")
            return
        above = self._line_before(begin)
        after = self._next_line(finish)
        if above and self._is_blank(above) and (after == finish or self._is_blank(after)):
            begin = above
            above = self._line_before(begin)
        self.put(self.line_end(above), finish, "")

    def starts_inside(self, at: int) -> bool:
        """Whether something stands before `at` on its line."""
        return bool(self.text[self.line_start(at) : at].strip())

    def column(self, at: int) -> int:
        return at - self.line_start(at)

    def line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Where the line's characters end, before its line end."""
        end = self.text.find("\n", at)
        if end < 0:
            return len(self.text)
        return end - 1 if end > at and self.text[end - 1] == "\r" else end

    def _next_line(self, line_end: int) -> int:
        """Where the line behind this one begins; the end of the text behind the last."""
        newline = self.text.find("\n", line_end)
        return len(self.text) if newline < 0 else newline + 1

    def _line_before(self, line_start: int) -> int:
        return self.line_start(line_start - 1)

    def _is_blank(self, line_start: int) -> bool:
        return not self.text[line_start : self.line_end(line_start)].strip()
