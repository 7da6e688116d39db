"""The documentation keeps up with the program: links, commands, keys, codes and columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.render_reference import FOLDER
from scripts.render_reference import PAGES as REFERENCE

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SH_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings can be reached by, made as GitHub makes them."""
    text = _FENCED.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text()
    linked = {(ROOT / "docs" / link.split("#")[0]).resolve() for link in _LINK.findall(index)}
    pages = {page for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"}
    assert pages - linked == set()


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = set(_LINK.findall((folder / "README.md").read_text()))
    assert {page.name for page in folder.glob("0*.md")} == listed


def test_readme_shows_first_how_to_serve_and_then_how_to_test() -> None:
    serve, test = _SH_BLOCK.findall((ROOT / "README.md").read_text())[:2]
    assert serve.strip().endswith("omniroute serve")
    last = test.strip().splitlines()[-1].split("&& ")[-1]
    assert last.startswith("pytest")
    assert f"\n{last}\n" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_pages_tell_what_the_program_is(name: str) -> None:
    shown = (FOLDER / name).read_text(encoding="utf-8")
    assert shown == REFERENCE[name](), "run: python scripts/render_reference.py"
