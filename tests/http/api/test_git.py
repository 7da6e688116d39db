"""`management.write: git`: each change a commit, in real repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.active.test_commit import git
from tests.http.api.test_entries import CONFIG, ask
from tests.running import Gateway, running

TEXT = CONFIG + "management: {write: git}\n"
PUSHED = CONFIG + "management: {write: git, push: true}\n"


def repository(folder: Path, text: str) -> Path:
    """One that follows another, `origin.git` beside it."""
    work = folder / "work"
    work.mkdir()
    (work / "omniroute.yaml").write_text(text)
    git(work, "init", "-q", "-b", "main")
    (work / ".gitignore").write_text("data/\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(folder, "clone", "-q", "--bare", "work", "origin.git")
    git(work, "remote", "add", "origin", str(folder / "origin.git"))
    git(work, "fetch", "-q")
    git(work, "branch", "-q", "--set-upstream-to=origin/main")
    return work


async def alias(gateway: Gateway, name: str) -> Any:
    body = {"alias": name, "model": "echo/echo"}
    return await ask(gateway, "PUT", "/api/models/alias", body, **{"X-Request-Id": "r1"})


async def test_a_change_is_a_commit_by_who_asked_for_it(tmp_path: Path) -> None:
    work = repository(tmp_path, TEXT)
    async with running(work, TEXT) as gateway:
        assert (await alias(gateway, "fast")).status_code == 200
        assert git(work, "status", "--porcelain") == ""
        told = git(work, "log", "-1", "--format=%an|%s|%b")
        assert told.startswith("key:root|omniroute: PUT /api/models/alias|By key:root from 127.")
        assert f"Configuration {gateway.runtime.snapshot.digest}." in told
        assert git(work, "diff", "HEAD~1", "--stat").count("omniroute.yaml") == 1
        head = git(work, "rev-parse", "HEAD")
        assert gateway.runtime.snapshot.commit == head
        assert (await alias(gateway, "fast")).status_code == 200  # what changes nothing
        assert git(work, "rev-parse", "HEAD") == head
        assert git(tmp_path / "origin.git", "rev-parse", "main") != head


async def test_a_tree_with_work_under_way_is_left_alone(tmp_path: Path) -> None:
    work = repository(tmp_path, TEXT)
    (work / "notes.txt").write_text("mine\n")
    git(work, "add", "notes.txt")
    async with running(work, TEXT) as gateway:
        for state, says in (
            ("staged", "nobody committed: notes.txt"),
            ("detached", "no branch is checked out"),
            ("behind", 'behind "origin/main"'),
        ):
            if state == "detached":
                git(work, "commit", "-qm", "notes")
                git(work, "checkout", "-q", "--detach")
            elif state == "behind":
                git(work, "checkout", "-q", "main")
                git(work, "push", "-q", "origin", "main")
                git(work, "reset", "-q", "--hard", "HEAD~1")
            head = git(work, "rev-parse", "HEAD")
            reply = await alias(gateway, "fast")
            assert (reply.status_code, reply.json()["error"]["code"]) == (409, "git")
            assert says in reply.json()["error"]["message"]
            assert (work / "omniroute.yaml").read_text() == TEXT
            assert git(work, "rev-parse", "HEAD") == head


async def test_what_cannot_be_committed_or_pushed_is_taken_back(tmp_path: Path) -> None:
    work = repository(tmp_path, PUSHED)
    origin = tmp_path / "origin.git"
    async with running(work, PUSHED) as gateway:
        assert (await alias(gateway, "fast")).status_code == 200
        head = git(work, "rev-parse", "HEAD")
        assert git(origin, "rev-parse", "main") == head
        text = (work / "omniroute.yaml").read_text()
        for hook in (work / ".git/hooks/pre-commit", origin / "hooks/pre-receive"):
            hook.parent.mkdir(exist_ok=True)
            hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
            hook.chmod(0o755)
            reply = await alias(gateway, "other")
            assert reply.status_code == 409, reply.text
            hook.unlink()
            assert git(work, "rev-parse", "HEAD") == head
            assert git(work, "status", "--porcelain") == ""
            assert (work / "omniroute.yaml").read_text() == text
            assert list(gateway.runtime.snapshot.config.aliases) == ["fast"]


async def test_outside_of_a_repository_nothing_is_written(tmp_path: Path) -> None:
    async with running(tmp_path, TEXT) as gateway:
        reply = await alias(gateway, "fast")
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "git")
        assert (tmp_path / "omniroute.yaml").read_text() == TEXT
