"""The command as its users run it; in this process, since starting one is slow."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec import Struct

from omniroute.cli.main import main


class Ran(Struct, frozen=True):
    code: int
    out: str
    err: str


def run(folder: Path, *args: str, **env: str) -> Ran:
    """`omniroute ARGS` in `folder`, not on a terminal."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        patch.dict(os.environ, env),
        patch.object(sys, "argv", ["omniroute", *args]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stopped,
    ):
        main()
    code = stopped.value.code
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())
