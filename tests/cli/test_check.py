"""`omniroute check` and `explain`: what is printed where, and the exit codes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.cli.programs import run

GOOD = "version: 1\nproviders: {echo: {preset: echo}}\n"
BAD = "server: {prot: 1}\nproviders: {echo: {preset: echo}}\n"
WARNED = "version: 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"good": GOOD, "bad": BAD, "warned": WARNED}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_a_good_file_exits_with_0_and_prints_nothing_to_stdout(folder: Path) -> None:
    ran = run(folder, "check", "good.yaml", "--strict")
    assert (ran.code, ran.out, ran.err) == (0, "", "1 file checked: no findings\n")


def test_findings_exit_with_1_and_are_plain_when_piped(folder: Path) -> None:
    ran = run(folder, "check", "bad.yaml", "good.yaml")
    assert ran.code == 1
    assert ran.err == "2 files checked: 1 error\n"
    assert ran.out == (
        'bad.yaml:1:10 error OR201 unknown key "prot"\n'
        "  1 | server: {prot: 1}\n"
        "    |          ^^^^\n"
        '  hint: did you mean "port"?\n'
    )


def test_warnings_fail_only_when_strict(folder: Path) -> None:
    assert run(folder, "check", "warned.yaml").code == 0
    assert run(folder, "check", "warned.yaml", "--strict").code == 1


def test_machine_formats_are_whole_documents_also_without_findings(folder: Path) -> None:
    assert orjson.loads(run(folder, "check", "good.yaml", "--format", "json").out) == {
        "version": 1,
        "errors": 0,
        "warnings": 0,
        "diagnostics": [],
    }
    sarif = orjson.loads(run(folder, "check", "good.yaml", "--format", "sarif").out)
    assert sarif["runs"][0]["results"] == []
    assert run(folder, "check", "good.yaml", "--format", "github").out == ""


def test_files_come_from_the_option_the_environment_and_the_folder(folder: Path) -> None:
    assert run(folder, "check", "-c", "bad.yaml").code == 1
    assert run(folder, "check", OMNIROUTE_CONFIG="bad.yaml").code == 1
    missing = run(folder, "check")
    assert missing.code == 2
    assert "there is no file omniroute.yaml; write one with `omniroute init`" in missing.err


def test_overlays_are_checked_together(folder: Path) -> None:
    (folder / "over.yaml").write_text("server: {prot: null, port: 1}\n")
    assert run(folder, "check", "-c", "bad.yaml", "-c", "over.yaml").code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["check", "gone.yaml"], "there is no file gone.yaml"),
        (["check", "."], ". is a folder"),
        (["check", "--format", "xml"], "xml"),
        (["explain", "OR201x"], 'did you mean "OR201"?'),
    ],
)
def test_wrong_usage_exits_with_2_and_helps(folder: Path, args: list[str], message: str) -> None:
    ran = run(folder, *args)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_explain_one_and_all(folder: Path) -> None:
    assert run(folder, "explain", "or104").out.startswith("OR104 duplicate-key (error)\n")
    listed = run(folder, "explain").out.splitlines()
    assert "OR201  error    A key is not part of the language" in listed
