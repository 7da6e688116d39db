"""Changes of the configuration through the API: into the file, checked first, then in force.

The file stays the one source: what the API changes is what a person would have written, and git
shows it. A change is refused where it could not be made in one place or would not pass the check.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from omniroute.active.disk import Disk, write_atomic
from omniroute.active.inspect import Inspected, inspect
from omniroute.active.snapshot import digest_of
from omniroute.config.edit import EditError
from omniroute.config.model import Config
from omniroute.config.patch import Values, patch_section
from omniroute.errors import RequestError
from omniroute.worker.runtime import Runtime

LOCK_FILE = "config.lock"
REFUSES: Final = (409, 412, 422)
"""The statuses that `change_section` refuses with."""


class _Instead(Disk):
    """The disk with one file's content replaced."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path = self.real(path)
        self._data = data

    def read(self, path: str) -> bytes:
        return self._data if self.real(path) == self._path else super().read(path)


async def change_section(
    runtime: Runtime,
    path: tuple[str, ...],
    values: Values,
    *,
    if_match: str | None = None,
) -> str:
    """Merge `values` into the section that `path` starts with, and serve the result; its digest.

    Values that are in the file already write nothing.
    `path` is what is changed: it must stand in the main file, or nowhere yet. `if_match` is the
    digest that the change was made for. Raises RequestError: conflict (409) where the files do not
    allow it, 412 when they have changed since, unprocessable (422) when the check refuses.
    """
    old = await asyncio.to_thread(_change_file, runtime, path, values, if_match)
    if old is None:
        return runtime.snapshot.digest
    status = await runtime.reloader.reload("api")
    if not status.ok:
        await asyncio.to_thread(write_atomic, runtime.files[0], old)
        await runtime.reloader.reload("api")
        raise RequestError("conflict", f"the change could not be activated: {status.error}")
    return status.digest


def _change_file(
    runtime: Runtime, path: tuple[str, ...], values: Values, if_match: str | None
) -> bytes | None:
    """Blocks. The file's content before the change, None when it says all that already."""
    files = runtime.files
    if len(files) != 1:
        raise RequestError("conflict", "several -c files are laid over each other; edit them")
    with _locked(runtime.data_dir / LOCK_FILE):
        before = inspect(files, Disk())
        if before.checked.config is None:
            raise RequestError("conflict", "the files have mistakes; mend them first")
        digest = digest_of(before.checked.digest, before.tables)
        if if_match is not None and if_match.strip().strip('"') not in (digest, "*"):
            raise RequestError(
                "conflict", f"the configuration is now {digest}", status=412, code="changed"
            )
        _require_main_file(before.checked.config, files, path)
        old = Path(files[0]).read_bytes()
        try:
            new = patch_section(old.decode(), path[0], values).encode()
        except EditError as error:
            raise RequestError("conflict", str(error)) from None
        if new == old:
            return None
        _require_good(inspect(files, _Instead(files[0], new)))
        try:
            write_atomic(files[0], new)
        except OSError as error:
            raise RequestError(
                "conflict", f"the file cannot be written: {error.strerror}"
            ) from None
        return old


def _require_main_file(config: Config, files: Sequence[str], path: tuple[str, ...]) -> None:
    mark = config.positions.get(path)
    disk = Disk()
    if mark is not None and disk.real(mark.file) != disk.real(files[0]):
        where = Path(mark.file).name
        raise RequestError(
            "conflict", f"`{'.'.join(path)}` is declared in {where}, which the main file includes"
        )


def _require_good(after: Inspected) -> None:
    if after.checked.config is not None:
        return
    found = [item for item in after.checked.diagnostics if item.severity == "error"]
    first = found[0] if found else None
    raise RequestError(
        "unprocessable",
        "; ".join(f"{item.code} {item.path}: {item.message}" for item in found[:5]),
        param=first.path if first is not None else None,
    )


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One change at a time, over all workers of this data folder."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
