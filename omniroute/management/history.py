"""Earlier configurations: which there were, how two differ, and going back to one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from omniroute.active.disk import Disk
from omniroute.active.kept import find_state, kept_digests
from omniroute.active.lastgood import Bundle, BundleReader
from omniroute.config.loader import load_tree
from omniroute.config.masking import FileMask
from omniroute.config.yamltree import to_plain
from omniroute.errors import RequestError
from omniroute.management.candidates import CandidateText, candidate_reader
from omniroute.management.changes import ValueChange
from omniroute.management.moment import Instant
from omniroute.management.writeback import Author, Restored, masked_change, restore_config
from omniroute.worker.audit import differences
from omniroute.worker.runtime import Runtime

FILES: Final = "files"
"""What the files say as they are saved now, in the place of a digest."""
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{12}$")]


class HistoryRow(Struct, frozen=True, kw_only=True, rename="camel"):
    """A configuration that came into force, as the audit log has it."""

    id: int
    timestamp: Instant
    digest: str
    action: str
    actor: str
    target: str
    commit: str | None
    active: bool
    """It is what is being served."""
    kept: bool
    """Its files are still here, to be compared with and gone back to."""


class ConfigHistory(Struct, frozen=True, kw_only=True):
    """Newest first."""

    history: list[HistoryRow]


class FileDiff(Struct, frozen=True, kw_only=True):
    """One file's lines, as `diff -u` writes them; secrets masked."""

    file: str
    diff: str


class ConfigDiff(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What makes the one into the other: values, secrets masked, and lines. Both are digests, or
    `files` or `candidate`."""

    from_: str
    to: str
    changes: list[ValueChange]
    files: list[FileDiff]


class RollbackTo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration that is to be in force again."""

    digest: Digest


class RolledBack(Struct, frozen=True, kw_only=True):
    """What is served now."""

    success: bool
    digest: str


class _State(Struct, frozen=True, kw_only=True):
    texts: dict[str, str]
    """By absolute path."""
    tree: dict[str, Any]
    mask: FileMask


def history(runtime: Runtime, *, limit: int, before: int | None) -> ConfigHistory:
    """Blocks. At most `limit` entries, of those with a smaller id than `before`."""
    kept, active = kept_digests(runtime.data_dir), runtime.snapshot.digest
    return ConfigHistory(
        history=[
            HistoryRow(
                id=entry.id,
                timestamp=entry.time.isoformat(),
                digest=entry.digest_after,
                action=entry.action,
                actor=entry.actor,
                target=entry.target,
                commit=entry.commit,
                active=entry.digest_after == active,
                kept=entry.digest_after in kept,
            )
            for entry in runtime.audit.newest(limit=limit, before=before, about="config.")
            if entry.digest_after
        ]
    )


def diff(runtime: Runtime, *, old: str, new: str) -> ConfigDiff:
    """Blocks. Raises RequestError (404) for what is not kept."""
    return _compared(old, _state(runtime, old), new, _state(runtime, new))


def diff_candidate(runtime: Runtime, candidate: CandidateText) -> ConfigDiff:
    """Blocks. What one file's new text would change of what is served.

    Raises RequestError (404) for a file that is not part of the configuration.
    """
    reader = candidate_reader(runtime, candidate)
    active = runtime.snapshot.digest
    new = _read(runtime.files, reader)
    return _compared(active, _state(runtime, active), "candidate", new)


async def roll_back(runtime: Runtime, wanted: RollbackTo, *, author: Author) -> RolledBack:
    """Write the files as they were. Raises RequestError: 404 where they are not kept, and as
    `restore_config`."""
    bundle = _kept(runtime, wanted.digest)
    restored = Restored(digest=wanted.digest, bundle=bundle)
    digest = await restore_config(runtime, restored, author=author)
    return RolledBack(success=True, digest=digest)


def _kept(runtime: Runtime, digest: str) -> Bundle:
    found = find_state(runtime.data_dir, digest)
    if found is None:
        message = f'no configuration "{digest}" is kept; GET /api/config/history lists them'
        raise RequestError("not_found", message, param="digest")
    return found


def _state(runtime: Runtime, name: str) -> _State:
    if name == FILES:
        return _read(runtime.files, Disk())
    bundle = _kept(runtime, name)
    return _read(bundle.files, BundleReader(bundle))


def _read(files: tuple[str, ...], reader: Disk) -> _State:
    loaded = load_tree(files, reader)
    root = loaded.root
    texts = {reader.absolute(path): text for path, text in loaded.sources.items()}
    unread = tuple(texts.values()) if root is None else ()
    tree: dict[str, Any] = {} if root is None else to_plain(root)
    return _State(texts=texts, tree=tree, mask=FileMask(root, unread))


def _compared(old_name: str, old: _State, new_name: str, new: _State) -> ConfigDiff:
    def hide(text: str) -> str:
        return new.mask(old.mask(text))

    changes = [masked_change(one, (old.mask, new.mask)) for one in differences(old.tree, new.tree)]
    return ConfigDiff(
        from_=old_name,
        to=new_name,
        changes=[ValueChange(path=one.path, before=one.before, after=one.after) for one in changes],
        files=[
            FileDiff(file=path, diff=hide(text))
            for path in dict.fromkeys((*old.texts, *new.texts))
            if (text := _lines(path, old.texts.get(path, ""), new.texts.get(path, "")))
        ],
    )


def _lines(path: str, old: str, new: str) -> str:
    name = Path(path).name
    lines: Iterator[str] = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
