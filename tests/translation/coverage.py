"""Which rows of the tables run: each template tells of it when it gives a value.

A row is a line of a table on which a template begins. It has run when one of those, or one inside
them, has given something, or has dropped or refused what it was written for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest

from omniroute.active.tables import read_tables
from omniroute.config.yamltree import Map, key_mark, parse_yaml
from omniroute.translation import format as compiling
from omniroute.translation import registry
from omniroute.translation.kinds import TASKS
from omniroute.translation.problem import Path
from omniroute.translation.registry import load_formats
from omniroute.translation.template import TemplateCompiler
from omniroute.translation.values import Formats

_PARTIAL: Final = frozenset(
    {"response.read", "request.said", "stream.watch", *(f"{kind}.response.read" for kind in TASKS)}
)
"""Functions that are made of some rows of others."""


class Coverage:
    """What there is to run, and what has run, by the file of the table."""

    def __init__(self) -> None:
        self.known: dict[str, set[Path]] = defaultdict(set)
        self.ran: dict[str, set[Path]] = defaultdict(set)

    def load(self, monkeypatch: pytest.MonkeyPatch) -> Formats:
        """The product's tables, under watch."""
        files = iter(read_tables())

        def compiler(**parts: Any) -> TemplateCompiler:
            file = next(files)
            return _Watched(parts, self.known[file].add, self.ran[file].add)

        with monkeypatch.context() as patched:
            patched.setattr(compiling, "TemplateCompiler", compiler)
            patched.setattr(registry, "compile_text", registry.compile_text.__wrapped__)
            return load_formats(read_tables())

    def idle(self, *, but: Iterable[str]) -> dict[str, list[str]]:
        """Rows that have not run, as they are written, without the sections named in `but`."""
        left_out = frozenset(but)
        found: dict[str, list[str]] = {}
        for file, text in read_tables().items():
            tree = parse_yaml(text.encode(), file).root
            assert tree is not None
            ran = {path[:end] for path in self.ran[file] for end in range(1, len(path) + 1)}
            rows = {_line(tree, path) for path in self.known[file] if path[0] not in left_out}
            idle = rows - {_line(tree, path) for path in ran}
            if idle:
                lines = text.splitlines()
                found[file] = [lines[line - 1].strip() for line in sorted(idle)]
        return found


class _Watched(TemplateCompiler):
    def __init__(
        self, parts: dict[str, Any], know: Callable[[Path], None], run: Callable[[Path], None]
    ) -> None:
        super().__init__(**parts)
        self._know = know
        self._run = self._source.constant(run)
        self._name = ""

    def add(self, name: str, template: Any, path: Path) -> None:
        self._name = name
        super().add(name, template, path)

    def _emit(self, template: Any, at: str, path: Path) -> str:
        if self._name in _PARTIAL:
            return super()._emit(template, at, path)
        self._know(path)
        told = f"{self._run}({path!r})"
        if template in (None, {}) or _gives_nothing(template):
            self._source.line(told)
            return super()._emit(template, at, path)
        value = super()._emit(template, at, path)
        self._source.line(f"if {value} is not None: {told}")
        return value


def _gives_nothing(template: Any) -> bool:
    return isinstance(template, dict) and ("$drop" in template or "$reject" in template)


def _line(tree: Map, path: Path) -> int:
    return key_mark(tree, path).line
