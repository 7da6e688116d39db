"""The wheel holds everything that serving needs, and nothing that runs by itself."""

from __future__ import annotations

import email
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this checkout, by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("dist")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


@pytest.fixture(scope="module")
def names(wheel: Path) -> frozenset[str]:
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_tables_and_schemas_are_inside(names: frozenset[str]) -> None:
    for folder in ("translators", "schemas"):
        shipped = {Path(name).name for name in names if f"omniroute/_data/{folder}/" in name}
        assert shipped == {path.name for path in (ROOT / folder).iterdir()}, folder


def test_every_tracked_module_and_data_file_is_inside(names: frozenset[str]) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "omniroute").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= names


def test_nothing_runs_at_install_or_at_interpreter_start(names: frozenset[str]) -> None:
    tops = {name.split("/", 1)[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"omniroute"}
    assert [name for name in names if name.endswith((".pth", "sitecustomize.py"))] == []


def test_metadata_says_what_users_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
