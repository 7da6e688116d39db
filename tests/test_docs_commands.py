"""The documentation and the command line agree: every command that a page shows can be given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from omniroute.cli.main import cli
from tests.cli.programs import run

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")})
FILES = sorted(
    {
        *ROOT.glob("examples/**/*.y*ml"),
        *ROOT.glob("examples/**/*.service"),
        *ROOT.glob("*.yaml"),
        ROOT / "omniroute/cli/starter.yaml",
        ROOT / ".pre-commit-hooks.yaml",
    }
)
_CODE = re.compile(r"^```\w*\n(.*?)^```|(?<!`)`([^`]+)`(?!`)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|(?<=[\s`=(\"])|(?<=/bin/))omniroute[ \t]+(?=--?[a-z]|[a-z]+\b(?![:=]))"
)
_ENDS = frozenset({"|", "||", "&&", "&", ";", ">", "<", ">>"})


def shown_in(page: Path) -> Iterator[str]:
    """The parts of a file that may hold commands: a page's code, of a file all."""
    text = page.read_text()
    if page.suffix != ".md":
        yield text
        return
    for block, inline in _CODE.findall(text):
        yield block or " ".join(inline.replace("\\|", "|").split())


def commands(text: str) -> Iterator[list[str]]:
    """What follows `omniroute` in each command of a text, up to a pipe, a redirect or a comment."""
    for found in _COMMAND.finditer(text):
        inside = text[: found.start()].endswith("$(")
        words = words_from(text[found.end() :].split(")" if inside else "`")[0])
        if words:
            yield words


def words_from(text: str) -> list[str]:
    """The words of the command that a text begins with; a quoted one may go over several lines."""
    lines = text.replace("\\\n", " ").splitlines()
    for end in range(1, len(lines) + 1):
        try:
            words = shlex.split("\n".join(lines[:end]), comments=True)
        except ValueError:
            continue  # a quote is open still
        stop = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
        return words[:stop]
    return []


def wrong_with(words: list[str]) -> str | None:
    """What click says of the words of a command; nothing is run."""
    group: click.Command = cli
    context = click.Context(cli, info_name="omniroute")
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        found = group.get_command(context, words[0])
        if found is None:
            return f"there is no command {words[0]}"
        group, words = found, words[1:]
    try:
        group.make_context(group.name, [*words], parent=context)
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
        return None  # named without its arguments, or asking for help
    except click.UsageError as error:
        return error.format_message()
    return None


SHOWN = [
    pytest.param(words, id=f"{page.relative_to(ROOT).as_posix()}: {' '.join(words)[:60]}")
    for page in (*PAGES, *FILES)
    # What was may be told there; what is made of the commands themselves says [OPTIONS].
    if page.name not in ("CHANGELOG.md", "commands.md")
    for text in shown_in(page)
    for words in commands(text)
]


@pytest.mark.parametrize("words", SHOWN)
def test_it_can_be_given(words: list[str]) -> None:
    assert wrong_with(words) is None


def line_of(shown: Any) -> str:
    """The command of a parameter, as its id has it."""
    return str(shown.id).partition(": ")[2]


READING = ("explain", "formats", "providers", "schema", "version", "test -c examples/")


@pytest.mark.parametrize(
    "line", sorted({line for shown in SHOWN if (line := line_of(shown)).startswith(READING)})
)
def test_what_needs_nothing_runs(line: str) -> None:
    assert run(ROOT, *line.split()).code == 0


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("omniroute bill", "there is no command bill"),
        ("$ /opt/omniroute/bin/omniroute check --srict x.yaml", "No such option"),
        ("omniroute keys nwe ci", "there is no command nwe"),
        ("omniroute check --format xml | cat", "'xml' is not one of"),
        ("omniroute sql --wait long", "'long' is not a valid"),
        ("omniroute version 2", "unexpected extra argument"),
    ],
)
def test_what_cannot_is_found(text: str, wrong: str) -> None:
    ((words),) = commands(text)
    assert wrong in (wrong_with(words) or "")


def test_the_pages_show_every_command() -> None:
    named = {line_of(shown).split(" ")[0] for shown in SHOWN}
    assert set(cli.list_commands(click.Context(cli))) <= named
