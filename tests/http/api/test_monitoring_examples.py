"""examples/monitoring: rules and panels ask for what a scrape has, by the labels that it has."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from omniroute.management import metrics

FOLDER: Final = Path(__file__).parents[3] / "examples" / "monitoring"
ALERTS: Final[Any] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
DASHBOARD: Final[Any] = json.loads((FOLDER / "dashboard.json").read_text())
SUFFIXES: Final = {
    "_counter": ("_total",),
    "_gauge": ("",),
    "_histogram": ("_bucket", "_sum", "_count"),
}
OF_PROMETHEUS: Final = {"instance", "job", "le"}


def served() -> dict[str, set[str]]:
    """Every series that a scrape can have, with its labels, as the code declares them."""
    found: dict[str, set[str]] = {"up": OF_PROMETHEUS}
    for call in ast.walk(ast.parse(Path(metrics.__file__).read_text())):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="_counter" | "_gauge" | "_histogram" as kind),
                args=[ast.Constant(value=str(name)), _, ast.Tuple(elts=labels), *_],
            ):
                names = {label.value for label in labels if isinstance(label, ast.Constant)}
                for suffix in SUFFIXES[kind]:
                    found[name + suffix] = {*map(str, names), "worker", *OF_PROMETHEUS}
            case _:
                pass
    return found


SERVED: Final = served()


def questions() -> Iterator[tuple[str, str]]:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("name", "asked"), list(questions()))
def test_what_is_asked_for_is_served(name: str, asked: str) -> None:
    series = re.findall(r"\b(omniroute_\w+|up)\b(?:\{([^}]*)\})?", asked)
    assert series, name
    labels: set[str] = set()
    for metric, matchers in series:
        assert metric in SERVED, (name, metric)
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert used <= SERVED[metric], (name, used - SERVED[metric])
        labels |= SERVED[metric]
    for grouped in re.findall(r"\bby \(([^)]*)\)", asked):
        assert set(grouped.split(", ")) <= labels, (name, grouped)
    assert asked.count("(") == asked.count(")")
    counters = re.findall(r"\w+_(?:total|bucket)\b", asked)
    assert len(counters) == len(re.findall(r"(?:rate|increase)\(\w+_(?:total|bucket)", asked))


def test_an_alert_tells_what_its_query_knows() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert told <= (kept or OF_PROMETHEUS), rule["alert"]


def test_panels_stand_side_by_side_and_ask_the_chosen_source() -> None:
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${source}"
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        shown = set(re.findall(r"\{\{(\w+)\}\}", str(panel["targets"])))
        grouped = re.findall(r"by \(([^)]*)\)", str(panel["targets"]))
        assert shown <= set(re.findall(r"\w+", " ".join(grouped))), panel["title"]
