"""`omniroute test`: the own tests of a configuration, as TAP or JUnit, with coverage."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import click

from omniroute.cli.options import check_files, config_files, config_option, show_findings
from omniroute.config.diagnostics import has_errors
from omniroute.config.model import ConfigTest
from omniroute.decision.testing import Coverage, Result, Stage, coverage_of, run_test
from omniroute.errors import ConfigError, UsageError

TEST_FILES: Final = "*_test.yaml"


@click.command("test")
@config_option
@click.option(
    "--format",
    "output",
    type=click.Choice(["tap", "junit"]),
    default="tap",
    show_default=True,
    help="How results are written to standard output.",
)
@click.option(
    "--threshold",
    type=click.IntRange(0, 100),
    default=0,
    metavar="PERCENT",
    help="Fail when tests touch less than this share of policies, combos and budgets.",
)
@click.pass_context
def test_command(ctx: click.Context, config: tuple[str, ...], output: str, threshold: int) -> None:
    """Run the `tests:` section and the files *_test.yaml beside the configuration.

    Needs no secrets, no network and no server. Exits with 0 when all pass, 1 when one fails or the
    configuration is wrong, 2 on wrong usage.
    """
    files = config_files(config)
    now = datetime.now(UTC)
    stage, tests = _load(files)
    results = tuple(run_test(stage, test, now) for test in tests)
    if not results:
        raise UsageError(f"there are no tests: add `tests:`, or a file {TEST_FILES} beside it")
    coverage = coverage_of(stage.config, results)
    click.echo(_junit(results) if output == "junit" else _tap(results), nl=False)
    failed = sum(bool(result.wrong) for result in results)
    click.echo(f"{len(results) - failed} of {len(results)} tests passed", err=True)
    share = _share(coverage)
    for line in _untouched(coverage):
        click.echo(line, err=True)
    if share < threshold:
        click.echo(f"coverage is {share}%, below {threshold}%", err=True)
    ctx.exit(1 if failed or share < threshold else 0)


def _load(files: tuple[str, ...]) -> tuple[Stage, list[ConfigTest]]:
    """The configuration and its tests; each test file is checked as a last overlay of its own."""
    folder = Path(files[0]).parent
    beside = [str(path) for path in sorted(folder.glob(TEST_FILES)) if str(path) not in files]
    stage: Stage | None = None
    tests = list[ConfigTest]()
    for extra in ((), *((path,) for path in beside)):
        checked = check_files((*files, *extra))
        if checked.config is None:
            show_findings(checked)
            raise ConfigError("the configuration has errors; no test was run")
        assert not has_errors(checked.diagnostics)  # noqa: S101 - `config` is None exactly then
        stage = stage or Stage(checked.config)
        tests += [
            test
            for test in checked.config.tests
            if not extra or (test.mark is not None and test.mark.file == extra[0])
        ]
    assert stage is not None  # noqa: S101 - the loop runs at least once
    return stage, tests


def _place(test: ConfigTest) -> str:
    return "" if test.mark is None else f"{test.mark.file}:{test.mark.line}"


def _tap(results: tuple[Result, ...]) -> str:
    lines = ["TAP version 14", f"1..{len(results)}"]
    for number, result in enumerate(results, start=1):
        name = result.test.name.replace("\n", " ").replace("#", "\\#")
        verdict = "not ok" if result.wrong else "ok"
        lines.append(f"{verdict} {number} - {name}")
        if result.wrong:
            lines += ["  ---", f"  at: {_place(result.test)}", "  wrong:"]
            lines += [f"    - {_quoted(text)}" for text in result.wrong]
            lines.append("  ...")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"


def _junit(results: tuple[Result, ...]) -> str:
    failed = sum(bool(result.wrong) for result in results)
    suite = ElementTree.Element(
        "testsuite", name="omniroute", tests=str(len(results)), failures=str(failed), errors="0"
    )
    for result in results:
        mark = result.test.mark
        case = ElementTree.SubElement(
            suite, "testcase", name=result.test.name, classname=mark.file if mark else "omniroute"
        )
        if mark is not None:
            case.set("file", mark.file)
            case.set("line", str(mark.line))
        if result.wrong:
            failure = ElementTree.SubElement(case, "failure", message=result.wrong[0])
            failure.text = "\n".join((*result.wrong, _place(result.test)))
    ElementTree.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suite, "unicode")}\n'


def _share(coverage: tuple[Coverage, ...]) -> int:
    """Percent, rounded down, so that 100 means everything."""
    touched = sum(len(section.touched) for section in coverage)
    known = touched + sum(len(section.untouched) for section in coverage)
    return 100 if known == 0 else 100 * touched // known


def _untouched(coverage: tuple[Coverage, ...]) -> list[str]:
    return [
        f"{section.section}: {len(section.touched)} of "
        f"{len(section.touched) + len(section.untouched)} touched; no test touches "
        + ", ".join(section.untouched)
        for section in coverage
        if section.untouched
    ]
