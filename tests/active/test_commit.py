"""The commit of a configuration's file, as real repositories keep it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from omniroute.active.commit import commit_of


def git(folder: Path, *args: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(  # noqa: S603
        ["git", *who, *args],  # noqa: S607 - git
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "gateway").mkdir(parents=True)
    (folder / "gateway" / "omniroute.yaml").write_text("version: 1\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_branch_loose_or_packed_and_no_branch(repository: Path) -> None:
    file = str(repository / "gateway" / "omniroute.yaml")
    commit = git(repository, "rev-parse", "HEAD")
    assert commit_of(file) == commit
    git(repository, "pack-refs", "--all")
    assert commit_of(file) == commit
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    assert commit_of(file) == git(repository, "rev-parse", "HEAD") != commit
    git(repository, "checkout", "-q", commit)
    assert commit_of(file) == commit


def test_a_work_tree_elsewhere_behind_a_link(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "second")
    (tmp_path / "current").symlink_to(tmp_path / "other" / "gateway")
    commit = git(tmp_path / "other", "rev-parse", "HEAD")
    assert commit_of(str(tmp_path / "current" / "omniroute.yaml")) == commit


def test_what_is_none_has_none(repository: Path, tmp_path: Path) -> None:
    assert commit_of(str(tmp_path / "omniroute.yaml")) is None
    git(repository, "checkout", "-q", "--orphan", "empty")
    assert commit_of(str(repository / "gateway" / "omniroute.yaml")) is None
    for said in ("ref: refs/heads/../../../../x", "what", "\xff", "ref: HEAD"):
        (repository / ".git" / "HEAD").write_bytes(said.encode("latin-1"))
        assert commit_of(str(repository / "gateway" / "omniroute.yaml")) is None
