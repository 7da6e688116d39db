"""Changes of the configuration through the API: into the file, checked first, then in force.

The file stays the one source: what the API changes is what a person would have written, and git
shows it. A change is refused where it could not be made in one place or would not pass the check.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from msgspec import Struct
from msgspec.structs import replace

from omniroute.active.disk import Disk, write_atomic
from omniroute.active.inspect import Inspected, inspect
from omniroute.active.lastgood import Bundle, BundleReader
from omniroute.active.snapshot import digest_of
from omniroute.admission.ipfilter import IpRules
from omniroute.admission.values import Caller
from omniroute.config.change import Change, Values, change_files, merge
from omniroute.config.loader import ChangedFiles, load_tree
from omniroute.config.masking import Mask
from omniroute.config.model import Config
from omniroute.config.splices import EditError
from omniroute.config.yamltree import to_plain
from omniroute.errors import RequestError
from omniroute.management.worktree import WorkTree
from omniroute.worker.audit import AuditChange, AuditEntry, differences
from omniroute.worker.runtime import Runtime

LOCK_FILE = "config.lock"
REFUSES: Final = (409, 412, 422)
"""The statuses that `change_config` refuses with, beside 403 where the API may only read."""


class Author(Struct, frozen=True, kw_only=True):
    """Who makes a change, and what was asked."""

    caller: Caller
    address: str
    request_id: str
    target: str
    """Method and path."""
    if_match: str | None = None
    """The state of the configuration that the change was made for, as the header has it."""

    @property
    def name(self) -> str:
        """As the audit log has it."""
        caller = self.caller
        if caller.key_id is not None:
            return f"key:{caller.key_id}"
        return "anybody" if caller.login is None else f"login:{caller.login}"


class Restored(Struct, frozen=True, kw_only=True):
    """A configuration that was served, and is to be again."""

    digest: str
    bundle: Bundle


class _Edit(Struct, frozen=True, kw_only=True):
    """What a change comes to: the new contents of files, and the values that are another."""

    action: str
    before: Inspected
    contents: Mapping[str, bytes]
    after: Inspected
    values: tuple[AuditChange, ...]


class _Commit(Struct, frozen=True):
    """The commit that a change is, once it is `made`, behind `before`."""

    tree: WorkTree
    before: str
    made: str | None = None


class _Written(Struct, frozen=True, kw_only=True):
    """A change that is in the files. `old` is what these held, None where there was none, `new`
    what they got."""

    old: Mapping[str, bytes | None]
    new: Mapping[str, bytes]
    entry: AuditEntry
    commit: _Commit | None


async def change_section(
    runtime: Runtime,
    section: str,
    values: Values,
    *,
    author: Author,
) -> str:
    """Merge `values` into a section, as `change_config` does."""

    def change(wanted: dict[str, Any]) -> None:
        before: Values = wanted.get(section) or {}
        after = merge(before, values)
        if after != before:
            wanted[section] = after

    return await change_config(runtime, change, author=author)


async def change_config(runtime: Runtime, change: Change, *, author: Author) -> str:
    """Edit the files so that they say what `change` makes of them, and serve that; its digest.

    What they say already writes nothing. What is written is in the audit log before it is served.
    Raises what `change` raises, and RequestError: 403 where `management.write` is off, 409 where
    the files do not allow it, 412 when they have changed since, 422 when the check refuses.
    """

    def edit(disk: _ReadOnce) -> _Edit:
        before = _inspect_files(runtime, disk)
        return _edited(runtime, disk, before, change)

    return await _write_edit(runtime, edit, author)


async def restore_config(runtime: Runtime, restored: Restored, *, author: Author) -> str:
    """Write the files as they were, also where they have mistakes by now; the digest as served.

    Raises RequestError: 409 where other files or tables take part by now, 422 where the check
    refuses today what it took then, and as `change_config`.
    """
    return await _write_edit(runtime, partial(_restored, runtime, restored), author)


async def _write_edit(runtime: Runtime, edit: Callable[[_ReadOnce], _Edit], author: Author) -> str:
    """Raises what `edit` raises, and RequestError as `change_config`."""
    management = runtime.snapshot.config.management
    if management.write == "off":
        message = "the API only reads here (management.write is off): edit the files"
        raise RequestError("permission", message, code="read_only")
    written = await asyncio.to_thread(_change_files, runtime, edit, author)
    if written is None:
        return runtime.snapshot.digest
    status = await runtime.reloader.reload("api")
    try:
        if not status.ok:
            raise RequestError("conflict", f"the change could not be activated: {status.error}")
        if written.commit is not None and management.push:
            await asyncio.to_thread(written.commit.tree.push)
    except RequestError:
        await asyncio.to_thread(_take_back, runtime, written)
        await runtime.reloader.reload("api")
        raise
    return status.digest


def preview(runtime: Runtime, change: Change) -> Inspected:
    """Blocks. What the check finds in the files as `change` would make them; nothing is written.

    Raises RequestError (409) where the files do not allow it.
    """
    disk = _ReadOnce()
    return _edited(runtime, disk, _inspect_files(runtime, disk), change).after


def _change_files(
    runtime: Runtime, make: Callable[[_ReadOnce], _Edit], author: Author
) -> _Written | None:
    """Blocks. What was done; None when the files say all that already."""
    disk = _ReadOnce()
    with _locked(runtime.data_dir / LOCK_FILE):
        edit = make(disk)
        before, after, wanted = edit.before, edit.after, author.if_match
        good = before.checked.config is not None
        digest = digest_of(before.checked.digest, before.tables) if good else None
        if wanted is not None and wanted.strip().strip('"') not in (digest, "*"):
            raise RequestError(
                "conflict", f"the configuration is now {digest}", status=412, code="changed"
            )
        if not edit.contents:
            return None
        _refuse_shutting_out(_require_good(after), author)
        if not disk.is_current():
            raise RequestError("conflict", "a file was changed meanwhile; ask again")
        tree = _tree_for(runtime)
        masks = (before.checked.mask, after.checked.mask)
        entry = AuditEntry(
            time=runtime.clock.now(),
            action=edit.action,
            actor=author.name,
            address=author.address,
            request_id=author.request_id,
            target=author.target,
            changes=tuple(masked_change(one, masks) for one in edit.values),
            digest_before=digest,
            digest_after=digest_of(after.checked.digest, after.tables),
            commit=runtime.snapshot.commit,
        )
        written = _Written(
            old={path: disk.held(path) for path in edit.contents},
            new=edit.contents,
            entry=entry,
            commit=None if tree is None else _Commit(*tree),
        )
        try:
            runtime.audit.append(entry)
        except OSError as error:
            message = f"the change cannot be recorded, and was not made: {error.strerror}"
            raise RequestError("conflict", message) from None
        try:
            _write(edit.contents)
            return written if written.commit is None else _committed(written, written.commit)
        except RequestError:
            _undo(runtime, written)
            raise


def _tree_for(runtime: Runtime) -> tuple[WorkTree, str] | None:
    """With `write: git`, the tree that a change can be committed to, and the commit it is at."""
    management = runtime.snapshot.config.management
    if management.write != "git":
        return None
    tree = WorkTree.of(runtime.files[0])
    return tree, tree.require_ready(push=management.push)


def _committed(written: _Written, commit: _Commit) -> _Written:
    entry = written.entry
    words = f"omniroute: {entry.target}\n\nBy {entry.actor} from {entry.address}"
    message = f"{words}, request {entry.request_id}.\nConfiguration {entry.digest_after}.\n"
    made = commit.tree.commit(tuple(written.new), message, author=entry.actor)
    return replace(written, commit=replace(commit, made=made))


def _inspect_files(runtime: Runtime, disk: Disk) -> Inspected:
    """The files as they are. Raises RequestError (409) where no change can be made to them."""
    _require_one(runtime)
    before = inspect(runtime.files, disk)
    if before.checked.config is None:
        raise RequestError("conflict", "the files have mistakes; mend them first")
    return before


def _require_one(runtime: Runtime) -> None:
    if len(runtime.files) != 1:
        raise RequestError("conflict", "several -c files are laid over each other; edit them")


def _edited(runtime: Runtime, disk: Disk, before: Inspected, change: Change) -> _Edit:
    """Raises RequestError (409), and what `change` raises."""
    found: list[AuditChange] = []

    def seen(tree: dict[str, Any]) -> None:
        old = deepcopy(tree)
        change(tree)
        found.extend(differences(old, tree))

    try:
        contents = change_files(runtime.files[0], disk, seen)
    except EditError as error:
        raise RequestError("conflict", str(error)) from None
    after = inspect(runtime.files, ChangedFiles(disk, contents)) if contents else before
    return _Edit(
        action="config.change", before=before, contents=contents, after=after, values=tuple(found)
    )


def _restored(runtime: Runtime, restored: Restored, disk: _ReadOnce) -> _Edit:
    """Raises RequestError (409)."""
    _require_one(runtime)
    before = inspect(runtime.files, disk)
    texts = restored.bundle.sources
    sources = [path for path in before.checked.sources if path not in before.tables]
    more = {disk.absolute(path) for path in sources} - texts.keys()
    if more:
        names = ", ".join(sorted(more))
        raise RequestError("conflict", f"these files take no part in it; move them away: {names}")
    reader = BundleReader(restored.bundle)
    after = inspect(runtime.files, reader)
    if after.checked.config and digest_of(after.checked.digest, after.tables) != restored.digest:
        raise RequestError("conflict", "the translation tables are others by now")
    roots = [load_tree(runtime.files, one).root for one in (disk, reader)]
    old, new = [None if root is None else to_plain(root) for root in roots]
    contents = {path: text.encode() for path, text in texts.items()}
    return _Edit(
        action="config.rollback",
        before=before,
        contents={path: data for path, data in contents.items() if disk.held(path) != data},
        after=after,
        values=tuple(differences(old, new)),
    )


def _take_back(runtime: Runtime, written: _Written) -> None:
    """Blocks. Undo what could not be served."""
    with _locked(runtime.data_dir / LOCK_FILE):
        _undo(runtime, written)


def _undo(runtime: Runtime, written: _Written) -> None:
    """Blocks. What the files held before, but where somebody has saved since; and an entry."""
    entry, disk, commit = written.entry, _ReadOnce(), written.commit
    for path, data in written.old.items():
        if disk.held(path) != written.new[path]:
            continue
        if data is None:
            Path(path).unlink(missing_ok=True)
        else:
            _write({path: data})
    runtime.audit.append(
        replace(
            entry,
            time=runtime.clock.now(),
            action="config.undone",
            changes=(),
            digest_before=entry.digest_after,
            digest_after=entry.digest_before or "",
        )
    )
    if commit is not None:
        commit.tree.take_back(commit.before, commit.made, tuple(written.new))


def masked_change(change: AuditChange, masks: Sequence[Mask]) -> AuditChange:
    """Without what is a secret, as it was or as it is."""

    def hide(value: Any) -> Any:
        match value:
            case str():
                for mask in masks:
                    value = mask(value)
                return value
            case dict():
                return {key: hide(item) for key, item in cast("dict[str, Any]", value).items()}
            case list():
                return [hide(item) for item in cast("list[Any]", value)]
            case _:
                return value

    return replace(change, before=hide(change.before), after=hide(change.after))


class _ReadOnce(Disk):
    """What a change is made of and checked with, whatever an editor does to the files meanwhile."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        if path not in self._contents:
            self._contents[path] = super().read(path)
        return self._contents[path]

    def held(self, path: str) -> bytes | None:
        """The same; None where there is no such file."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return None

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


def _refuse_shutting_out(after: Config, author: Author) -> None:
    """Who shuts out the own address by mistake could not take it back here."""
    if IpRules(after.ip_filter).check(author.address, "management") is not None:
        message = f"the address {author.address}, which asks for this, could not come in any more"
        raise RequestError("unprocessable", message, code="shut_out")


def _require_good(after: Inspected) -> Config:
    if after.checked.config is not None:
        return after.checked.config
    found = [item for item in after.checked.diagnostics if item.severity == "error"]
    first = found[0] if found else None
    raise RequestError(
        "unprocessable",
        after.checked.mask(
            "; ".join(f"{item.code} {item.path}: {item.message}" for item in found[:5])
        ),
        param=first.path if first is not None else None,
        diagnostics=found,
    )


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One change at a time, over all workers of this data folder."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
