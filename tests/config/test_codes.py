"""Every code: told apart, exemplified, and emitted by what its example shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from omniroute.config.check import Checked
from omniroute.config.codes import load_codes, render_code
from omniroute.config.yamltree import MAX_BYTES
from tests.config.files import check_texts

ROOT = Path(__file__).resolve().parents[2]
CODES = load_codes()
ELSEWHERE = {
    "OR181",
    "OR901",
    "OR902",
    "OR903",
    "OR904",
}  # translation tables and activation, shown by their own tests

# Files beside the example, where an example speaks of them.
BESIDE = {
    "OR120": {"teams/a.yaml": "version: 1\n"},
    "OR121": {"teams/a.yaml": "version: 1\n"},
    "OR122": {"teams/a.yaml": "version: 1\n"},
    "OR123": {"conf/shared/a.yaml": "version: 1\n", "shared/providers.yaml": "version: 1\n"},
    "OR124": {"more.yaml": "server: {port: 1}\n"},
    "OR103": {"teams/a.yaml": "version: 1\n"},
    "OR108": {"other.yaml": "version: 1\n"},
}
# What cannot be shown in a text: the bytes that an example means.
BYTES = {
    "OR101": b"version: 1   # \xff\n",
    "OR102": b"version: 1   # \x00\n",
    "OR103": b"#" * (MAX_BYTES + 1),
    "OR105": b"providers: {echo: {preset: echo}\n",
}


# Findings that an example cannot do without: a provider whose connections are all disabled.
BESIDES = {"OR610": {"OR521"}, "OR611": {"OR521"}}


def check_example(text: str | bytes, code: str) -> Checked:
    main = "conf/main.yaml" if code == "OR123" else "main.inc"
    return check_texts({main: text, **BESIDE.get(code, {})}, main)


def codes_in(text: str | bytes, code: str) -> set[str]:
    """Codes that checking gives, except that a short example may go without a provider."""
    found = {(item.code, item.severity) for item in check_example(text, code).diagnostics}
    assert all(CODES[name].severity == severity for name, severity in found)
    return {name for name, _ in found} - ({"OR520"} - {code})


@pytest.mark.parametrize("code", sorted(CODES.keys() - ELSEWHERE))
def test_the_wrong_example_gives_the_code_and_the_right_one_nothing(code: str) -> None:
    assert codes_in(BYTES.get(code, CODES[code].wrong), code) == {code} | BESIDES.get(code, set())
    assert codes_in(CODES[code].right, code) == set()


def test_findings_stand_where_they_belong(golden: Callable[[str, str], None]) -> None:
    lines: list[str] = []
    for code in sorted(CODES.keys() - ELSEWHERE):
        checked = check_example(BYTES.get(code, CODES[code].wrong), code)
        places = [
            f"{item.file}:{item.line}:{item.column} {item.path}".rstrip()
            for item in checked.diagnostics
            if item.code == code
        ]
        lines.append(f"{code} {', '.join(places)}\n")
    golden("config/positions.txt", "".join(lines))


def test_every_code_that_the_program_uses_is_described_and_the_other_way_round() -> None:
    sources = [*(ROOT / "omniroute").rglob("*.py")]
    used = {
        code for source in sources for code in re.findall(r'"(OR\d{3})"', source.read_text("utf-8"))
    }
    assert used == set(CODES)


def test_names_are_unique() -> None:
    names = [code.name for code in CODES.values()]
    assert len(set(names)) == len(names)


def test_explaining_shows_both_examples() -> None:
    text = render_code(CODES["OR201"])
    assert text == (
        "OR201 unknown-key (error)\n"
        "A key is not part of the language\n\n"
        "A misspelt key would otherwise be ignored, and the default would apply silently.\n\n"
        "Wrong:\n\n    server: {prot: 8080}\n\n"
        "Right:\n\n    server: {port: 8080}\n"
    )
