"""What holds for the repository as a whole: layout rules, locks, and words that do not belong."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
_PINNED = re.compile(r"^([a-z0-9.-]+)==([^ ;\\]+)", re.MULTILINE)
_BLOCK = re.compile(r"^[a-z0-9.-]+==.*?(?=^[a-z0-9.-]+==|\Z)", re.MULTILINE | re.DOTALL)


def tracked() -> Iterator[tuple[str, str]]:
    """Name and text of each text file that git knows, or that lies here where git is absent."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listing.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                yield name, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, Version]:
    found = _PINNED.findall((ROOT / "requirements" / name).read_text())
    return {package: Version(version) for package, version in found}


def test_no_file_names_a_registry_host_or_one_machine_s_paths() -> None:
    hosts = [rf"{name}\.(?:org|com)\b" for name in ("pypi", "pythonhosted", "npmjs")]
    machine = r"(?<![\w.$}])/(?:work|root|home/[a-z]+)/"
    pattern = re.compile("|".join([*hosts, machine]))
    assert {
        f"{name}: {match[0]}" for name, text in tracked() for match in pattern.finditer(text)
    } == set()


def test_nothing_is_left_to_do() -> None:
    # The brackets keep this line from finding itself.
    pattern = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b|NotImplemented[E]rror")
    sources = ((name, text) for name, text in tracked() if name.endswith((".py", ".yaml", ".md")))
    assert {
        f"{name}: {match[0]}" for name, text in sources for match in pattern.finditer(text)
    } == set()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "omniroute").rglob("__init__.py")), ids=lambda p: p.parent.name
)
def test_a_package_holds_one_docstring(path: Path) -> None:
    (only,) = ast.parse(path.read_text()).body
    assert isinstance(only, ast.Expr)
    assert isinstance(only.value, ast.Constant)
    assert isinstance(only.value.value, str)


def test_modules_say_what_they_are_and_mostly_stay_small() -> None:
    lines: list[int] = []
    for path in (ROOT / "omniroute").rglob("*.py"):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), path
        lines.append(text.count("\n"))
    assert sorted(lines)[len(lines) * 9 // 10] < 550
    assert max(lines) < 950


@pytest.mark.parametrize(
    ("lock", "extras"), [("ci.txt", ["dev"]), ("serve.txt", list[str]())], ids=["ci", "serve"]
)
def test_locks_fit_the_ranges(lock: str, extras: list[str]) -> None:
    declared: list[str] = list(project()["dependencies"])
    for extra in extras:
        declared += project()["optional-dependencies"][extra]
    pinned = pins(lock)
    for requirement in map(Requirement, declared):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not locked: run requirements/renew"
        assert requirement.specifier.contains(pinned[name], prereleases=True), name


def test_the_image_installs_what_ci_tested() -> None:
    assert pins("serve.txt").items() <= pins("ci.txt").items()


@pytest.mark.parametrize("lock", ["ci.txt", "serve.txt"])
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    blocks = [match[0] for match in _BLOCK.finditer(text)]
    # A package may be pinned twice, for different Pythons.
    assert {block.partition("==")[0] for block in blocks} == set(pins(lock))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_supported_pythons_are_the_same_everywhere() -> None:
    prefix = "Programming Language :: Python :: 3."
    declared = [c.rsplit(" ", 1)[1] for c in project()["classifiers"] if c.startswith(prefix)]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    matrix = re.search(r"python: \[(.*)\]", workflow)
    assert matrix is not None
    assert re.findall(r'"(3\.\d+)"', matrix[1]) == declared
    assert project()["requires-python"] == f">={declared[0]}"


def test_no_public_class_name_stands_twice() -> None:
    """A name is one idea: who searches for it finds one place."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "omniroute").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    assert {name: files for name, files in found.items() if len(files) > 1} == {}
