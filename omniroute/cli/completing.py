"""What a shell completes: codes, formats, presets, and the names of the configuration at hand.

Imported where it is asked for, so that no command pays for its completion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from omniroute.config.model import Config
from omniroute.errors import OmnirouteError

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _completer(known: Callable[[click.Context], Iterable[str]]) -> Completer:
    """Of the known names those that begin as typed; none at all where they cannot be had."""

    def complete(ctx: click.Context, _item: click.Parameter, typed: str) -> list[str]:
        try:
            return sorted(name for name in known(ctx) if name.startswith(typed))
        except (OmnirouteError, OSError):
            return []

    return complete


def _codes(_ctx: click.Context) -> Iterable[str]:
    from omniroute.config.codes import load_codes

    return load_codes()


def _formats(ctx: click.Context) -> Iterable[str]:
    from omniroute.active.shelf import shelf
    from omniroute.active.tables import read_tables
    from omniroute.translation.registry import load_formats

    return load_formats(read_tables(Path(ctx.params["tables"])), shelf()).names()


def _presets(_ctx: click.Context) -> Iterable[str]:
    from omniroute.catalog.presets import load_presets

    return load_presets()


def _keys(ctx: click.Context) -> Iterable[str]:
    return _config(ctx).keys


def _providers(ctx: click.Context) -> Iterable[str]:
    return _config(ctx).providers


def _models(ctx: click.Context) -> Iterable[str]:
    config = _config(ctx)
    yield from (name for name in config.aliases if not set("*?") & set(name))
    yield from config.combos
    for provider in config.providers.values():
        yield from (f"{provider.id}/{model}" for model in provider.models)


def _config(ctx: click.Context) -> Config:
    """The checked configuration; OmnirouteError where it has errors."""
    from omniroute.cli.options import check_files, config_files, rejected

    checked = check_files(config_files(ctx.params.get("config") or ()))
    if checked.config is None:
        raise rejected(checked)
    return checked.config


codes = _completer(_codes)
formats = _completer(_formats)
presets = _completer(_presets)
keys = _completer(_keys)
providers = _completer(_providers)
models = _completer(_models)
