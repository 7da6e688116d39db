"""The git working tree that a configuration is checked out in: changes as commits of their own.

Git itself is asked, as it knows its own repositories, hooks and credentials. Nothing is committed
to a tree in which somebody else has work under way, or that others have gone ahead of.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

from msgspec import Struct

from omniroute.errors import RequestError

TIMEOUT_S: Final = 60.0
"""Of one command; a push has to reach its remote in it."""
_NAME: Final = "omniroute"
_MAIL: Final = "omniroute@localhost"
"""Who commits where the repository does not say."""
_OURS: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"})
"""Variables of a hook or an alias that the server was started from; they mean another tree."""


class WorkTree(Struct, frozen=True):
    """Blocking. Every method raises RequestError (409) with what git says."""

    folder: Path

    @classmethod
    def of(cls, file: str) -> WorkTree:
        """The tree that a file lies in, links followed."""
        inside = WorkTree(Path(file).resolve().parent)
        return cls(Path(inside.git("rev-parse", "--show-toplevel")))

    def require_ready(self, *, push: bool) -> str:
        """The commit that a change can be put upon: of a branch, with nothing uncommitted, and not
        behind the branch that it follows (asked anew where it will be pushed there)."""
        branch = self.git("rev-parse", "--abbrev-ref", "HEAD")
        if branch == "HEAD":
            raise _refused("no branch is checked out")
        dirty = self.git("status", "--porcelain", "--untracked-files=no")
        if dirty:
            names = ", ".join(line[3:] for line in dirty.splitlines()[:5])
            raise _refused(f"there are changes that nobody committed: {names}")
        follows = self.git("for-each-ref", "--format=%(upstream:short)", f"refs/heads/{branch}")
        if push and not follows:
            raise _refused(f'the branch "{branch}" follows none that it could be pushed to')
        if push:
            self.git("fetch", "--quiet")
        if follows:
            behind = self.git("rev-list", "--count", f"HEAD..{follows}")
            if behind != "0":
                raise _refused(f'"{branch}" is {behind} commit(s) behind "{follows}"; pull first')
            ahead = self.git("rev-list", "--count", f"{follows}..HEAD")
            if push and ahead != "0":
                raise _refused(f'"{branch}" has {ahead} commit(s) that "{follows}" has not')
        return self.git("rev-parse", "HEAD")

    def commit(self, files: Collection[str], message: str, *, author: str) -> str:
        """The commit that holds the files as they are now, and nothing else."""
        paths = [os.fspath(Path(file).resolve()) for file in files]
        self.git("add", "--", *paths)
        name = self.git("config", "--default", _NAME, "--get", "user.name")
        mail = self.git("config", "--default", _MAIL, "--get", "user.email")
        us = ("-c", f"user.name={name}", "-c", f"user.email={mail}")
        who = (f"--author={author} <{_MAIL}>", f"--message={message}")
        self.git(*us, "commit", "--quiet", *who, "--", *paths)
        return self.git("rev-parse", "HEAD")

    def take_back(self, before: str, commit: str | None, files: Collection[str]) -> None:
        """Undo a commit that nobody has seen, where it is still the last one, and the staging of
        its files; what the files hold is left to who wrote them."""
        if commit is not None and self.git("rev-parse", "HEAD") == commit:
            self.git("reset", "--quiet", "--soft", before)
        paths = [os.fspath(Path(file).resolve()) for file in files]
        self.git("reset", "--quiet", "HEAD", "--", *paths)

    def push(self) -> None:
        self.git("push", "--quiet", "--porcelain")

    def git(self, *arguments: str) -> str:
        """What a command prints."""
        env = {name: value for name, value in os.environ.items() if name not in _OURS}
        env |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and nothing of a request but a message
                ["git", *arguments],  # noqa: S607 - the machine's own
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=TIMEOUT_S,
                text=True,
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _refused(f"git cannot be run: {error}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise _refused(f"git says: {said[0] if said else done.returncode}")
        return done.stdout.rstrip("\n")


def _refused(why: str) -> RequestError:
    message = f"the change cannot be committed: {why}"
    return RequestError("conflict", message, code="git")
