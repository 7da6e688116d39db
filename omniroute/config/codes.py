"""The diagnostic codes: what each means, a wrong and a right example; public and stable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from omniroute.config.diagnostics import Severity


class Code(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of finding, as `omniroute explain` tells it."""

    id: str
    name: str
    severity: Severity
    title: str
    meaning: str
    wrong: str
    right: str


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    severity: Severity
    title: str
    meaning: str
    wrong: str
    right: str


@cache
def load_codes() -> Mapping[str, Code]:
    """All codes by id, in order; do not change the result."""
    raw = files("omniroute.config").joinpath("codes.yaml").read_bytes()
    entries = msgspec.yaml.decode(raw, type=dict[str, _Entry])
    return {
        id_: Code(
            id=id_,
            name=entry.name,
            severity=entry.severity,
            title=entry.title,
            meaning=" ".join(entry.meaning.split()),
            wrong=entry.wrong,
            right=entry.right,
        )
        for id_, entry in sorted(entries.items())
    }


def render_code(code: Code) -> str:
    """What `omniroute explain CODE` prints."""
    return (
        f"{code.id} {code.name} ({code.severity})\n{code.title}\n\n{code.meaning}\n\n"
        f"Wrong:\n\n{_indented(code.wrong)}\nRight:\n\n{_indented(code.right)}"
    )


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())
