"""`omniroute test`: formats, exit codes, test files beside the configuration, coverage."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from omniroute.cli.test import test_command as command
from omniroute.errors import ConfigError, UsageError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/configs/governance.yaml"
BASE = """
providers:
  lab:
    format: openai-chat
    base_url: https://lab.example/v1
    connections: {main: {api_key: "${env:LAB_KEY}"}}
    models: {llama: {price: {input: 1, output: 1}}}
combos:
  smart: {targets: [lab/llama]}
policies:
  - {id: no-night, when: "now.hour < `6`", action: deny}
  - {id: never, when: "key == 'x'", action: deny}
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=True)


def test_the_example_passes_and_touches_everything() -> None:
    result = run("-c", str(EXAMPLE), "--threshold", "100")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == ["TAP version 14", "1..9"]
    assert all(line.startswith("ok ") for line in lines[2:])


def test_a_failure_says_what_where_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(
        BASE
        + """tests:
  - name: by day
    given: {model: smart, at: 2026-11-24T10:00:00Z}
    expect: {route: lab/llama}
  - name: "by night #2"
    given: {model: smart, at: 2026-11-24T05:00:00Z}
    expect: {route: lab/llama}
"""
    )
    result = run("-c", str(file))
    assert result.exit_code == 1
    why = f"refused by policy:no-night ({file}:11:5): denied by policy ''no-night''"
    assert result.stdout.splitlines() == [
        "TAP version 14",
        "1..2",
        "ok 1 - by day",
        "not ok 2 - by night \\#2",
        "  ---",
        f"  at: {file}:17",
        "  wrong:",
        f"    - 'expected to be admitted, {why}'",
        "  ...",
    ]
    assert "policies: 1 of 2 touched; no test touches never" in result.stderr
    assert "1 of 2 tests passed" in result.stderr


def test_junit(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(
        BASE
        + """tests:
  - name: wrong <&>
    given: {model: smart, at: 2026-11-24T10:00:00Z}
    expect: {deny: true}
"""
    )
    result = run("-c", str(file), "--format", "junit")
    suite = ElementTree.fromstring(result.stdout)  # noqa: S314 - it is our own output
    assert suite.attrib == {"name": "omniroute", "tests": "1", "failures": "1", "errors": "0"}
    [case] = suite
    assert case.attrib["name"] == "wrong <&>"
    assert (case.attrib["file"], case.attrib["line"]) == (str(file), "14")
    [failure] = case
    assert failure.attrib["message"] == "expected to be refused, was admitted"


def test_files_beside_the_configuration_are_run_too(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(BASE)
    (tmp_path / "night_test.yaml").write_text(
        """tests:
  - name: from the side
    given: {model: smart, at: 2026-11-24T05:00:00Z}
    expect: {deny: no-night}
"""
    )
    result = run("-c", str(file))
    assert (result.exit_code, result.stdout.splitlines()[2:]) == (0, ["ok 1 - from the side"])


def test_too_little_coverage_fails(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(
        BASE
        + """tests:
  - {name: x, given: {model: smart, at: 2026-11-24T10:00:00Z}, expect: {deny: false}}
"""
    )
    result = run("-c", str(file), "--threshold", "34")
    assert result.exit_code == 1
    assert "coverage is 33%, below 34%" in result.stderr
    assert run("-c", str(file), "--threshold", "33").exit_code == 0


def test_a_wrong_configuration_is_not_tested(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text("policies: 7\n")
    result = run("-c", str(file))
    assert isinstance(result.exception, ConfigError)
    assert "OR203" in result.stderr


def test_no_tests_is_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(BASE)
    assert isinstance(run("-c", str(file)).exception, UsageError)


@pytest.mark.parametrize("expect", ["{limits: [key]}", "{warn: [no-night]}", "{set: {stop: [x]}}"])
def test_what_was_not_decided_is_missed(tmp_path: Path, expect: str) -> None:
    file = tmp_path / "omniroute.yaml"
    file.write_text(
        BASE
        + f"""tests:
  - {{name: x, given: {{model: smart, at: 2026-11-24T10:00:00Z}}, expect: {expect}}}
"""
    )
    assert run("-c", str(file)).exit_code == 1
