from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniroute.worker.folder import hold_folder
from omniroute.worker.whereabouts import find_running, leave_note


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_note_counts_while_its_server_holds_the_folder(tmp_path: Path) -> None:
    files, folder = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")], tmp_path / "data"
    lock = hold_folder(folder)
    leave_note(files, folder)
    assert find_running(files) == folder
    assert find_running(files[:1]) is None
    os.close(lock)
    assert find_running(files) is None


def test_the_same_files_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lock = hold_folder(Path("data"))
    leave_note(["omniroute.yaml"], Path("data"))
    monkeypatch.chdir("/")
    assert find_running([str(tmp_path / "omniroute.yaml")]) == tmp_path / "data"
    os.close(lock)


def test_the_latest_server_of_the_files_counts(tmp_path: Path, home: Path) -> None:
    locks = [hold_folder(tmp_path / name) for name in ("one", "two")]
    for name in ("one", "two"):
        leave_note(["x.yaml"], tmp_path / name)
    assert find_running(["x.yaml"]) == tmp_path / "two"
    (note,) = (path for path in home.rglob("*") if path.is_file())
    assert note.stat().st_mode & 0o077 == 0
    for lock in locks:
        os.close(lock)


def test_without_a_place_for_notes_nothing_is_known_and_nothing_fails(
    tmp_path: Path, home: Path
) -> None:
    home.write_text("a file")
    lock = hold_folder(tmp_path / "data")
    leave_note(["x.yaml"], tmp_path / "data")
    assert find_running(["x.yaml"]) is None
    os.close(lock)
