"""Compiled tables kept on disk: what is taken from there, and what is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msgspec.json import encode

from omniroute.active.shelf import DiskShelf
from omniroute.active.tables import read_tables
from omniroute.translation import registry
from omniroute.translation.program import ProgramShelf, unpack
from omniroute.translation.registry import load_formats
from omniroute.translation.values import Destination, Formats

FILE = "ollama-generate.yaml"
TEXT = read_tables()[FILE]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DiskShelf:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return DiskShelf(tmp_path)


def load(text: str, shelf: ProgramShelf, file: str = FILE) -> Formats:
    """As a process does that has just begun."""
    registry.compile_text.cache_clear()
    return load_formats({file: text}, shelf)


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_kept_is_taken_and_does_the_same(
    shelf: DiskShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(TEXT, shelf)
    assert len(kept(tmp_path)) == 1
    monkeypatch.setattr(registry, "compile_table", None)  # a second process compiles nothing
    second = load(TEXT, shelf)
    assert first.about() == second.about()
    target = Destination(
        provider="lab", model="upstream", stream=False, seed="seed", now_s=1700000000
    )
    body = {"model": "m", "prompt": "hello", "options": {"temperature": 0.5}}
    asked = [
        formats.pair("ollama-generate", "ollama-generate").request(body, encode(body), target)
        for formats in (first, second)
    ]
    assert asked[0] == asked[1]
    assert b"hello" in asked[0].body


def test_a_changed_table_is_compiled_anew(shelf: DiskShelf) -> None:
    load(TEXT, shelf)
    changed = TEXT.replace("format: ollama-generate", "format: other", 1)
    assert load(changed, shelf).names() == ("other",)
    assert shelf.get(FILE, TEXT) is None


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_a_harmed_file_is_made_anew(shelf: DiskShelf, tmp_path: Path, harm: str) -> None:
    load(TEXT, shelf)
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    path.write_bytes({"cut": whole[: len(whole) // 2], "changed": changed, "empty": b""}[harm])
    assert shelf.get(FILE, TEXT) is None
    load(TEXT, shelf)
    assert shelf.get(FILE, TEXT) is not None


def test_another_compiler_reads_nothing_of_it(
    shelf: DiskShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(TEXT, shelf)
    assert shelf.get(FILE, TEXT) is not None
    monkeypatch.setattr("omniroute.active.shelf._makers", lambda: b"another")
    assert shelf.get(FILE, TEXT) is None


def test_problems_of_a_table_from_the_shelf_have_their_positions(shelf: DiskShelf) -> None:
    load(TEXT, shelf)
    data = shelf.get(FILE, TEXT)
    assert data is not None
    table, _ = unpack(FILE, TEXT, data)
    assert table == registry.read_table(FILE, TEXT)[0]


def test_nothing_is_left_in_a_users_folder(shelf: DiskShelf, tmp_path: Path) -> None:
    load(TEXT, shelf, str(tmp_path / FILE))
    assert kept(tmp_path) == []


def test_nothing_is_written_where_python_may_not(
    shelf: DiskShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    load(TEXT, shelf)
    assert kept(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_no_hindrance(shelf: DiskShelf, tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("in the way")
    assert load(TEXT, shelf).names() == ("ollama-generate",)
