"""A table's functions as data: what compiling makes of a table, and what can be kept of it."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any, Final, Protocol

from msgspec import Struct, structs

from omniroute.expr.compile import OPERATORS, bound_name
from omniroute.translation import runtime
from omniroute.translation.functions import FUNCTIONS
from omniroute.translation.table import Table

Converter = Callable[[Any, runtime.Context], Any]
Facts = Mapping[str, frozenset[str]]
"""By the name of a function."""

LIBRARY: Final[Mapping[str, Any]] = {
    **OPERATORS,
    **{bound_name(name): function for name, function in FUNCTIONS.items()},
    **{
        f"rt_{helper.__name__}": helper
        for helper in (
            *(runtime.not_a_list, runtime.no_case, runtime.refuse, runtime.drop, runtime.has),
            *(runtime.lacks, runtime.new_id, runtime.lookup, runtime.add, runtime.spread),
            *(runtime.merge_neighbours, runtime.band, runtime.hub_of),
        )
    },
}
"""All that the code of a table may call, by the name that it calls it."""


class Program(Struct, frozen=True, kw_only=True):
    """The functions of one table: their code, and what is known of each."""

    code: CodeType
    constants: Mapping[str, Any]
    """Plain JSON values that the code names, which nobody may mutate."""
    functions: Mapping[str, str]
    """The identifier in the code, by the function's name."""
    reads: Facts
    """Top-level members of its input that a function reads; `@` stands for the whole."""
    root_calls: Facts
    """Functions that it hands its whole input to."""
    calls: Facts
    """Functions that it uses on any part of its input."""
    used_vars: Facts
    """Context names that it reads."""

    def load(self) -> Mapping[str, Converter]:
        """The functions, to be called, by their names."""
        namespace = {**LIBRARY, **self.constants}
        exec(self.code, namespace)  # noqa: S102 - our own text
        return {name: namespace[identifier] for name, identifier in self.functions.items()}

    def root_reads(self, name: str) -> frozenset[str]:
        """Top-level members of its input that a function reads, `@` when it takes the whole."""
        return _closure(name, self.root_calls, self.reads)

    def vars_of(self, names: Iterable[str]) -> frozenset[str]:
        """Context names that functions read, themselves or through what they use."""
        found: set[str] = set()
        for name in names:
            found |= _closure(name, self.calls, self.used_vars)
        return frozenset(found)


class ProgramShelf(Protocol):
    """Where programs are kept between processes, each with the text that it was made of."""

    def get(self, file: str, text: str) -> bytes | None:
        """What was put there for this very text by this very compiler, else None."""
        ...

    def put(self, file: str, text: str, data: bytes) -> None: ...


def pack(table: Table, program: Program) -> bytes | None:
    """Both, to be unpacked by the same Python; None when a value is not plain data."""
    try:
        return marshal.dumps((dict(table.sections), structs.astuple(program)))
    except ValueError:
        return None


def unpack(file: str, text: str, data: bytes) -> tuple[Table, Program]:
    """What `pack` was given. `data` must be whole: it is code, and runs as such."""
    sections, parts = marshal.loads(data)  # noqa: S302 - as Python reads its own compiled modules
    table = Table(name=sections["format"], file=file, sections=sections, text=text)
    return table, Program(**dict(zip(Program.__struct_fields__, parts, strict=True)))


def _closure(name: str, calls: Facts, facts: Facts) -> frozenset[str]:
    """The facts of a function and of all that it calls."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            found |= facts.get(current, frozenset())
            waiting.extend(calls.get(current, ()))
    return frozenset(found)
