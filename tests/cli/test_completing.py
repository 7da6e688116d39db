"""What a shell is offered, asked as the shell asks."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from omniroute.catalog.presets import load_presets
from omniroute.cli.main import cli
from tests.config.files import HASH_A

ECHO = load_presets()["echo"].models
CONFIG = f"""
providers: {{echo: {{preset: echo}}, lab: {{preset: echo, models: {{big: , small: }}}}}}
keys: {{ci: {{hash: "sha256:{HASH_A}"}}, interns: {{hash: "sha256:{HASH_A[::-1]}"}}}}
aliases: {{quick: echo/echo, "gpt-*": echo/echo}}
combos: {{smart: {{targets: [echo/echo]}}}}
"""


def offered(folder: Path, line: str) -> list[str]:
    *words, typed = line.split(" ")[1:]
    shell = ShellComplete(cli, {}, "omniroute", "_OMNIROUTE_COMPLETE")
    with contextlib.chdir(folder):
        return [item.value for item in shell.get_completions(words, typed)]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("omniroute explain OR40", [f"OR40{last}" for last in range(1, 9)]),
        ("omniroute providers show openai", ["openai", "openai-responses"]),
        (
            "omniroute route ",
            sorted(
                {f"{name}/{model}" for name in ("echo", "lab") for model in ECHO}
                | {"lab/big", "lab/small", "quick", "smart"}
            ),
        ),
        ("omniroute route lab/s", ["lab/small"]),
        ("omniroute route smart --key ", ["ci", "interns"]),
        ("omniroute route smart --provider l", ["lab"]),
        ("omniroute route -c gone.yaml ", []),
        ("omniroute translate --from gem", ["gemini"]),
        ("omniroute translate --from gemini --to ant", ["anthropic"]),
        ("omniroute sch", ["schema"]),
    ],
)
def test_names_are_completed(tmp_path: Path, line: str, names: list[str]) -> None:
    (tmp_path / "omniroute.yaml").write_text(CONFIG)
    assert offered(tmp_path, line) == names


def test_a_broken_file_completes_nothing_and_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "omniroute.yaml").write_text("providers: {{\n")
    assert offered(tmp_path, "omniroute route ") == []
    assert capsys.readouterr() == ("", "")
    assert len(offered(tmp_path, "omniroute providers show ")) == len(load_presets())
