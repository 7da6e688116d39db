"""Diagnostics to text for people, JSON, GitHub annotations and SARIF 2.1.0."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal
from urllib.parse import quote

import msgspec
import orjson

from omniroute.base.version import __version__
from omniroute.config.codes import Code, load_codes
from omniroute.config.diagnostics import Diagnostic
from omniroute.config.masking import FileMask, Mask
from omniroute.config.model import Mark

Format = Literal["text", "json", "github", "sarif"]
Style = Callable[[str, str], str]
"""(role, text) to text; the roles are error, warning, place, source, caret and hint."""

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_MAX_LINE: Final = 120  # columns of source shown; longer lines are cut around the caret


def plain(_role: str, text: str) -> str:
    """The style without colours."""
    return text


def count(diagnostics: Sequence[Diagnostic]) -> tuple[int, int]:
    """(errors, warnings)."""
    errors = sum(item.severity == "error" for item in diagnostics)
    return errors, len(diagnostics) - errors


def render_text(
    diagnostics: Sequence[Diagnostic],
    sources: Mapping[str, str],
    *,
    mask: Mask | None = None,
    style: Style = plain,
) -> str:
    """One block for each finding: place, message, the line with a caret, hint, second places."""
    lines = {file: text.splitlines() for file, text in sources.items()}
    blocks = [_block(item, lines, mask=mask or FileMask(), style=style) for item in diagnostics]
    return "\n".join(blocks)


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """`{"version": 1, "errors": n, "warnings": n, "diagnostics": [...]}`, indented."""
    errors, warnings = count(diagnostics)
    document = {
        "version": 1,
        "errors": errors,
        "warnings": warnings,
        "diagnostics": [msgspec.to_builtins(item) for item in diagnostics],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def render_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands that GitHub shows beside the changed lines."""
    return "".join(_annotation(item) for item in diagnostics)


def render_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run; columns count Unicode characters."""
    used = list(dict.fromkeys(item.code for item in diagnostics))
    codes = load_codes()
    run = {
        "tool": {
            "driver": {
                "name": "omniroute check",
                "version": __version__,
                "rules": [_rule(codes[code]) for code in used if code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(item) for item in diagnostics],
    }
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _block(
    item: Diagnostic,
    lines: Mapping[str, Sequence[str]],
    *,
    mask: Mask,
    style: Style,
) -> str:
    place = style("place", f"{item.file}:{item.line}:{item.column}")
    head = style(item.severity, f"{item.severity} {item.code}")
    out = f"{place} {head} {item.message}\n"
    source = lines.get(item.file, ())
    if item.line <= len(source):
        out += _snippet(source[item.line - 1], item, mask=mask, style=style)
    if item.hint:
        out += f"  {style('hint', 'hint:')} {item.hint}\n"
    for other in item.related:
        out += f"  {style('hint', 'see:')} {other.mark} {other.message}\n"
    return out


def _snippet(line: str, item: Diagnostic, *, mask: Mask, style: Style) -> str:
    before, rest = _masked_halves(line, item.column - 1, mask)
    before, rest = _printable(before), _printable(rest)
    if len(before) > _MAX_LINE // 2:
        before = "…" + before[-_MAX_LINE // 2 :]
    if len(rest) > _MAX_LINE // 2:
        rest = rest[: _MAX_LINE // 2] + "…"
    number = str(item.line)
    gutter = " " * len(number)
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in before)
    caret = "^" * sum(_width(char) for char in _token(rest)) or "^"
    return (
        f"  {style('source', number + ' |')} {before}{rest}\n"
        f"  {style('source', gutter + ' |')} {pad}{style('caret', caret)}\n"
    )


def _masked_halves(line: str, at: int, mask: Mask) -> tuple[str, str]:
    """What is shown before and after the caret; inside of a secret it stands at its mask."""
    whole, before, rest = mask(line), mask(line[:at]), mask(line[at:])
    if before + rest == whole:
        return before, rest
    pairs = enumerate(zip(line[:at], whole, strict=False))
    same = next((number for number, (old, new) in pairs if old != new), min(at, len(whole)))
    return whole[:same], whole[same:]


def _printable(text: str) -> str:
    """Without anything that steers a terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in text)


def _token(rest: str) -> str:
    """The word, quoted text or bracket that the caret underlines."""
    if rest[:1] in ('"', "'"):
        end = rest.find(rest[0], 1)
        return rest[: end + 1] if end > 0 else rest
    word = rest
    for stop in (": ", ", ", " #", "}", "]"):
        word = word.partition(stop)[0]
    word = word.rstrip().removesuffix(":")
    return word if word[:1] not in ("{", "[", "") else rest[:1]


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _annotation(item: Diagnostic) -> str:
    message = item.message if item.hint is None else f"{item.message}\n{item.hint}"
    place = f"file={_property(item.file)},line={item.line},col={item.column}"
    return f"::{item.severity} {place},title={_property(item.code)}::{_data(message)}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _rule(code: Code) -> dict[str, object]:
    return {
        "id": code.id,
        "name": code.name,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.meaning},
        "help": {"text": f"Wrong:\n{code.wrong}\nRight:\n{code.right}"},
        "defaultConfiguration": {"level": code.severity},
    }


def _result(item: Diagnostic) -> dict[str, object]:
    message = item.message if item.hint is None else f"{item.message} ({item.hint})"
    result: dict[str, object] = {
        "ruleId": item.code,
        "level": item.severity,
        "message": {"text": message},
        "locations": [_location(Mark(item.file, item.line, item.column))],
    }
    if item.related:
        result["relatedLocations"] = [
            {**_location(other.mark), "message": {"text": other.message}} for other in item.related
        ]
    return result


def _location(mark: Mark) -> dict[str, object]:
    uri = quote(mark.file.removeprefix("./"))
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": f"file://{uri}" if uri.startswith("/") else uri},
            "region": {"startLine": mark.line, "startColumn": mark.column},
        }
    }
