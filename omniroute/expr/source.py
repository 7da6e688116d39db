"""Python source under construction: lines, names, constants, and what is known in each block."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from types import CodeType
from typing import Any

from omniroute.errors import ExpressionError

MAX_DEPTH = 80  # Python's tokenizer takes 100 levels of indentation
MAX_LOOPS = 12  # and its compiler 20 nested loops in one function


class Source:
    """One module of generated functions.

    Values live in temporaries that are assigned before they are read. `known` remembers which
    temporary already holds a path, in the block where that is true, so that rows that begin with
    the same path fetch it once.
    """

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        """JSON values by the names that the code has for them."""
        self.bound: dict[str, Any] = {}
        """Python objects that the code calls, in the same way."""
        self.lines: list[str] = []
        self.booleans: set[str] = set()
        self._depth = 0
        self._loops = [0]
        self._count = 0
        self._known: list[dict[tuple[str, str], str]] = [{}]

    def line(self, text: str) -> None:
        self.lines.append(" " * self._depth + text)

    def temp(self, prefix: str = "t") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def assign(self, value: str) -> str:
        """A new temporary that holds the Python expression `value`."""
        name = self.temp()
        self.line(f"{name} = {value}")
        return name

    def constant(self, value: Any) -> str:
        """A name for a JSON value, which nobody may mutate."""
        name = self.temp("k")
        self.constants[name] = value
        return name

    def bind(self, name: str, value: Any) -> str:
        """Make a Python object reachable from the generated code under `name`."""
        self.bound[name] = value
        return name

    @contextmanager
    def block(self, header: str, *, loop: bool = False) -> Generator[None]:
        self.line(header)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        self._loops[-1] += loop
        self._known.append({})
        try:
            yield
        finally:
            self._depth -= 1
            self._loops[-1] -= loop
            self._known.pop()

    @contextmanager
    def function(self, name: str, parameters: str) -> Generator[None]:
        with self.block(f"def {name}({parameters}):"):
            self._loops.append(0)
            try:
                yield
            finally:
                self._loops.pop()

    @property
    def crowded(self) -> bool:
        """One more loop could be too many for one Python function."""
        return self._loops[-1] >= MAX_LOOPS

    def known(self, at: str, step: str) -> str | None:
        for scope in reversed(self._known):
            if (at, step) in scope:
                return scope[at, step]
        return None

    def remember(self, at: str, step: str, name: str) -> None:
        self._known[-1][at, step] = name

    def code(self, filename: str) -> CodeType:
        """What was written, compiled; it finds constants and bound objects in its globals."""
        return compile("\n".join(self.lines) + "\n", filename, "exec")

    def build(self, filename: str) -> dict[str, Any]:
        """The names of the compiled module, functions included."""
        namespace = {**self.bound, **self.constants}
        exec(self.code(filename), namespace)  # noqa: S102 - our own text
        return namespace
