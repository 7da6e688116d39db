"""A configuration that is not in force: what the check finds in it, before anybody saves it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from omniroute.active.disk import Disk
from omniroute.active.inspect import Inspected, inspect
from omniroute.active.lastgood import Bundle, BundleReader
from omniroute.active.snapshot import digest_of
from omniroute.config.diagnostics import Diagnostic
from omniroute.errors import RequestError
from omniroute.management.writeback import preview
from omniroute.worker.runtime import Runtime


class CandidateText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file's new text; `file` is one of those that `GET /api/config` lists, else the last that
    `-c` names."""

    text: str
    file: Annotated[str, Meta(min_length=1)] | None = None


class CheckReport(Struct, frozen=True, kw_only=True, rename="camel"):
    """What `omniroute check` would say. `ok` is false when a diagnostic is an error."""

    ok: bool
    digest: str | None
    """Of what was checked; null while it has errors."""
    active_digest: str
    """Of what is being served."""
    diagnostics: list[Diagnostic]


class ProviderFragment(
    Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """A provider's entry as the file would have it: `{"preset": "openai"}` where nothing is said.

    `apiKey` is not tried: what a provider says of it, the test of a connection tells.
    """

    provider: Annotated[str, Meta(min_length=1, max_length=128)]
    config: dict[str, Any] | None = None
    api_key: str | None = None


class ProviderVerdict(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the check finds of that entry. `error` and `warning` are the first of each kind."""

    valid: bool
    error: str | None
    warning: str | None
    method: Literal["check"]
    diagnostics: list[Diagnostic]


def check_files(runtime: Runtime) -> CheckReport:
    """Blocks. The files as they are saved now."""
    return _report(runtime, inspect(runtime.files, Disk()))


def check_candidate(runtime: Runtime, candidate: CandidateText) -> CheckReport:
    """Blocks. The files as they would be with one of them changed; nothing is written.

    Raises RequestError (404) for a file that is none of them.
    """
    return _report(runtime, inspect(runtime.files, candidate_reader(runtime, candidate)))


def candidate_reader(runtime: Runtime, candidate: CandidateText) -> BundleReader:
    """Blocks. Of the files as they would be with one of them changed.

    No other file is read than those that take part already, whatever the text includes: what a
    diagnostic quotes must not be a way to read a file. Raises RequestError (404) for a file that
    is none of them.
    """
    disk = Disk()
    sources = inspect(runtime.files, disk).checked.sources
    file = candidate.file or runtime.files[-1]
    if file not in (*runtime.files, *sources):
        raise RequestError("not_found", "no file of the configuration is called so", param="file")
    texts = {disk.absolute(path): text for path, text in {**sources, file: candidate.text}.items()}
    return BundleReader(Bundle(files=runtime.files, sources=texts, tables={}))


def check_provider(runtime: Runtime, wanted: ProviderFragment) -> ProviderVerdict:
    """Blocks. The files as they would be with the entry; nothing is written. Raises RequestError
    (409) where they do not allow a change."""
    entry = wanted.config if wanted.config is not None else {"preset": wanted.provider}

    def change(tree: dict[str, Any]) -> None:
        tree["providers"] = {**(tree.get("providers") or {}), wanted.provider: entry}

    after = preview(runtime, change)
    path = f"providers.{wanted.provider}"
    found = [
        item
        for item in after.checked.diagnostics
        if item.path == path or item.path.startswith(f"{path}.")
    ]
    first = {item.severity: item.message for item in reversed(found)}
    return ProviderVerdict(
        valid="error" not in first,
        error=first.get("error"),
        warning=first.get("warning"),
        method="check",
        diagnostics=found,
    )


def _report(runtime: Runtime, found: Inspected) -> CheckReport:
    checked = found.checked
    ok = checked.config is not None
    return CheckReport(
        ok=ok,
        digest=digest_of(checked.digest, found.tables) if ok else None,
        active_digest=runtime.snapshot.digest,
        diagnostics=list(checked.diagnostics),
    )
