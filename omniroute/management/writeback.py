"""Changes of the configuration through the API: into the file, checked first, then in force.

The file stays the one source: what the API changes is what a person would have written, and git
shows it. A change is refused where it could not be made in one place or would not pass the check.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from omniroute.active.disk import Disk, write_atomic
from omniroute.active.inspect import Inspected, inspect
from omniroute.active.snapshot import digest_of
from omniroute.config.change import Change, Values, change_files, merge
from omniroute.config.loader import ChangedFiles
from omniroute.config.splices import EditError
from omniroute.errors import RequestError
from omniroute.worker.runtime import Runtime

LOCK_FILE = "config.lock"
REFUSES: Final = (409, 412, 422)
"""The statuses that `change_config` refuses with, beside 403 where the API may only read."""


async def change_section(
    runtime: Runtime,
    section: str,
    values: Values,
    *,
    if_match: str | None = None,
) -> str:
    """Merge `values` into a section, as `change_config` does."""

    def change(wanted: dict[str, Any]) -> None:
        before: Values = wanted.get(section) or {}
        after = merge(before, values)
        if after != before:
            wanted[section] = after

    return await change_config(runtime, change, if_match=if_match)


async def change_config(runtime: Runtime, change: Change, *, if_match: str | None = None) -> str:
    """Edit the files so that they say what `change` makes of them, and serve that; its digest.

    What they say already writes nothing. `if_match` is the digest that the change was made for.
    Raises what `change` raises, and RequestError: 403 where `management.write` is off, 409 where
    the files do not allow it, 412 when they have changed since, 422 when the check refuses.
    """
    if runtime.snapshot.config.management.write == "off":
        message = "the API only reads here (management.write is off): edit the files"
        raise RequestError("permission", message, code="read_only")
    old = await asyncio.to_thread(_change_files, runtime, change, if_match)
    if not old:
        return runtime.snapshot.digest
    status = await runtime.reloader.reload("api")
    if not status.ok:
        await asyncio.to_thread(_write, old)
        await runtime.reloader.reload("api")
        raise RequestError("conflict", f"the change could not be activated: {status.error}")
    return status.digest


def _change_files(runtime: Runtime, change: Change, if_match: str | None) -> Mapping[str, bytes]:
    """Blocks. What the changed files held before; empty when they say all that already."""
    files = runtime.files
    if len(files) != 1:
        raise RequestError("conflict", "several -c files are laid over each other; edit them")
    disk = _ReadOnce()
    with _locked(runtime.data_dir / LOCK_FILE):
        before = inspect(files, disk)
        if before.checked.config is None:
            raise RequestError("conflict", "the files have mistakes; mend them first")
        digest = digest_of(before.checked.digest, before.tables)
        if if_match is not None and if_match.strip().strip('"') not in (digest, "*"):
            raise RequestError(
                "conflict", f"the configuration is now {digest}", status=412, code="changed"
            )
        try:
            changed = change_files(files[0], disk, change)
        except EditError as error:
            raise RequestError("conflict", str(error)) from None
        old = {path: disk.read(path) for path in changed}
        if changed:
            _require_good(inspect(files, ChangedFiles(disk, changed)))
            if not disk.is_current():
                raise RequestError("conflict", "a file was changed meanwhile; ask again")
            _write(changed)
        return old


class _ReadOnce(Disk):
    """What a change is made of and checked with, whatever an editor does to the files meanwhile."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        if path not in self._contents:
            self._contents[path] = super().read(path)
        return self._contents[path]

    def is_current(self) -> bool:
        """Whether the files still say that."""
        here = Disk()
        try:
            return all(here.read(path) == data for path, data in self._contents.items())
        except OSError:
            return False


def _write(contents: Mapping[str, bytes]) -> None:
    try:
        for path, data in contents.items():
            write_atomic(path, data)
    except OSError as error:
        raise RequestError("conflict", f"the file cannot be written: {error.strerror}") from None


def _require_good(after: Inspected) -> None:
    if after.checked.config is not None:
        return
    found = [item for item in after.checked.diagnostics if item.severity == "error"]
    first = found[0] if found else None
    raise RequestError(
        "unprocessable",
        "; ".join(f"{item.code} {item.path}: {item.message}" for item in found[:5]),
        param=first.path if first is not None else None,
        diagnostics=found,
    )


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One change at a time, over all workers of this data folder."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
