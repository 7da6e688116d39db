"""The one entry point: files in, a Config or everything that is wrong with them out.

Pure: what it needs from outside (files, presets, formats, the time) is handed in. No secret is
looked up, no address resolved. The steps are those of the package: load, schema, build, lint; a
later step works on what the earlier ones left, so that one run shows all mistakes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

from omniroute.config.build import build_config
from omniroute.config.diagnostics import Diagnostic, has_errors, sort_diagnostics
from omniroute.config.lint.facts import LintFacts, Priced, priced_in_file
from omniroute.config.lint.run import run_rules
from omniroute.config.loader import Reader, load_tree
from omniroute.config.masking import FileMask, Mask
from omniroute.config.model import Config
from omniroute.config.preset import Catalog, NoCatalog, Preset
from omniroute.config.schema import check_schema, null_sections_removed
from omniroute.config.yamltree import to_plain

_NO_CATALOG: Final = NoCatalog()


class Checked(Struct, frozen=True, kw_only=True):
    """What a check gives. `config` is None exactly when a diagnostic is an error."""

    config: Config | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    """Text of every file that was read; it may hold secrets, `render_*` masks them."""
    files: tuple[str, ...]
    """Every file that took part or was asked for, to be watched."""
    patterns: tuple[str, ...]
    """Include patterns as paths: a new file that matches changes the configuration."""
    digest: str
    """SHA-256 of the merged content; equal for files that say the same."""
    mask: Mask
    """Takes out secrets that stand in the files in plain text, wherever text is shown."""


def check(
    files: Sequence[str],
    *,
    reader: Reader,
    presets: Mapping[str, Preset],
    catalog: Catalog = _NO_CATALOG,
    formats: Collection[str] | None = None,
    priced: Priced = priced_in_file,
    now: datetime,
) -> Checked:
    """Check `files`, laid over each other in order, with everything that they include.

    `formats` are the translation tables' names, None to leave formats unchecked; `catalog` may know
    more of a preset's models, `priced` more prices than the file gives; `now` decides which keys
    have expired.
    """
    loaded = load_tree(files, reader)
    found = list(loaded.diagnostics)
    config: Config | None = None
    digest = ""
    unread = () if loaded.complete else tuple(loaded.sources.values())
    mask = FileMask(loaded.root, unread)
    if loaded.root is not None:
        root = null_sections_removed(loaded.root)
        digest = hashlib.sha256(
            orjson.dumps(to_plain(root), option=orjson.OPT_SORT_KEYS)
        ).hexdigest()
        validated = check_schema(root)
        found += validated.diagnostics
        built = build_config(
            validated.valid,
            absolute=reader.absolute,
            presets=presets,
            catalog=catalog,
            formats=formats,
        )
        found += built.diagnostics
        config = built.config
        facts = LintFacts(
            config=config,
            declared=root,
            valid=validated.valid,
            complete=loaded.complete,
            presets=built.presets,
            formats=formats,
            priced=priced,
            now=now,
            exists=reader.exists,
        )
        found += run_rules(facts)
    diagnostics = sort_diagnostics((_masked(item, mask) for item in found), loaded.sources)
    return Checked(
        config=None if has_errors(diagnostics) else config,
        diagnostics=diagnostics,
        sources=loaded.sources,
        files=tuple(dict.fromkeys((*files, *loaded.sources))),
        patterns=loaded.patterns,
        digest=digest,
        mask=mask,
    )


def _masked(item: Diagnostic, mask: Mask) -> Diagnostic:
    """The finding with no secret in its words, wherever they are shown or logged."""
    message = mask(item.message)
    hint = None if item.hint is None else mask(item.hint)
    if message == item.message and hint == item.hint:
        return item
    return replace(item, message=message, hint=hint)
