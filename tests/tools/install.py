"""Installs the coding tools from npm, once for each set of versions in package.json."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

WANTED: Final = Path(__file__).with_name("package.json")
DEADLINE_S: Final = 600.0


def home() -> Path:
    """Where the tools are kept between runs; OMNIROUTE_TOOLS_DIR says another place."""
    chosen = os.environ.get("OMNIROUTE_TOOLS_DIR")
    return Path(chosen) if chosen else Path.home() / ".cache" / "omniroute-tools"


def install() -> Path:
    """The folder of the tools' commands."""
    digest = hashlib.sha256(WANTED.read_bytes()).hexdigest()[:12]
    folder = home() / digest
    commands = folder / "node_modules" / ".bin"
    done = folder / "installed"
    if not done.exists():
        npm = shutil.which("npm")
        assert npm is not None, "the coding tools come from npm: install Node.js 20 or newer"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(WANTED, folder)
        subprocess.run(  # noqa: S603 - npm, found on the path
            [npm, "install", "--no-fund", "--no-audit", "--no-update-notifier"],
            cwd=folder,
            check=True,
            timeout=DEADLINE_S,
        )
        done.touch()
    return commands
