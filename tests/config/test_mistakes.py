"""Twenty mistakes in three files: twenty findings, each where it stands, in every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omniroute.config.check import Checked
from omniroute.config.render import render_github, render_json, render_sarif, render_text
from tests.config.files import check_texts

FOLDER = Path(__file__).resolve().parents[1] / "golden/config/mistakes"


@pytest.fixture(scope="module")
def checked() -> Checked:
    files = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*.yaml")
    }
    return check_texts(files, "omniroute.yaml")


def test_every_mistake_is_found_in_one_run_at_its_place(checked: Checked) -> None:
    assert [f"{d.file}:{d.line}:{d.column} {d.code}" for d in checked.diagnostics] == [
        "omniroute.yaml:3:43 OR123",
        "omniroute.yaml:5:9 OR203",
        "omniroute.yaml:6:3 OR201",
        "omniroute.yaml:7:13 OR205",
        "omniroute.yaml:8:20 OR530",
        "omniroute.yaml:9:21 OR410",
        "omniroute.yaml:11:20 OR203",
        "omniroute.yaml:12:23 OR104",
        "omniroute.yaml:13:1 OR209",
        "providers.yaml:2:18 OR501",
        "providers.yaml:5:15 OR513",
        "providers.yaml:7:20 OR450",
        "providers.yaml:8:20 OR301",
        "providers.yaml:9:12 OR516",
        "providers.yaml:10:3 OR207",
        "teams/platform.yaml:4:24 OR204",
        "teams/platform.yaml:5:14 OR407",
        "teams/platform.yaml:6:3 OR202",
        "teams/platform.yaml:8:11 OR406",
        "teams/platform.yaml:9:14 OR303",
    ]
    assert checked.config is None


def test_text(checked: Checked, golden: Callable[[str, str], None]) -> None:
    text = render_text(checked.diagnostics, checked.sources, mask=checked.mask)
    golden("config/mistakes/expected.txt", text)


def test_json(checked: Checked, golden: Callable[[str, str], None]) -> None:
    golden("config/mistakes/expected.json", render_json(checked.diagnostics))


def test_github(checked: Checked, golden: Callable[[str, str], None]) -> None:
    golden("config/mistakes/expected.github", render_github(checked.diagnostics))


def test_sarif(checked: Checked, golden: Callable[[str, str], None]) -> None:
    golden("config/mistakes/expected.sarif", render_sarif(checked.diagnostics))


def test_no_output_shows_a_secret(checked: Checked) -> None:
    shown = (
        render_text(checked.diagnostics, checked.sources, mask=checked.mask)
        + render_json(checked.diagnostics)
        + render_github(checked.diagnostics)
        + render_sarif(checked.diagnostics)
    )
    assert "zyxwvutsrqponmlk9876" not in shown
    assert "zyxwvutsrqponmlk9876" in checked.sources["providers.yaml"]


def test_sarif_has_what_the_standard_requires(checked: Checked) -> None:
    log: dict[str, Any] = orjson.loads(render_sarif(checked.diagnostics))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert len(run["results"]) == len(checked.diagnostics)
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in ("error", "warning")
        assert result["message"]["text"]
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert region["startLine"] >= 1
        assert region["startColumn"] >= 1
        assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
