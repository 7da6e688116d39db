"""From command-line options to a snapshot: what `serve` does first, and again at each reload."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from omniroute.catalog.presets import load_presets
from omniroute.config.check import Checked, check
from omniroute.config.model import Config, Server
from omniroute.errors import ConfigError, TableError
from omniroute.gateway.disk import USER_TABLES, Disk, read_tables
from omniroute.gateway.snapshot import Snapshot, Surroundings, compile_snapshot, digest_of
from omniroute.translation.registry import load_formats


class Options(Struct, frozen=True, kw_only=True):
    """What was said on the command line; each value wins over the file's."""

    files: tuple[str, ...]
    host: str | None = None
    port: int | None = None
    data_dir: str | None = None
    worker: int | None = None
    """This process's number among several, None when it is the only one."""


class Loaded(Struct, frozen=True, kw_only=True):
    """A state of the files that can be served."""

    checked: Checked
    snapshot: Snapshot
    watched: tuple[str, ...]
    """Every file and folder whose change may matter."""

    @property
    def server(self) -> Server:
        return self.snapshot.config.server


class RejectedError(ConfigError):
    """The files cannot be served; `diagnostics` say why, `checked` has the sources to show."""

    def __init__(self, message: str, checked: Checked, watched: tuple[str, ...]) -> None:
        super().__init__(message, checked.diagnostics)
        self.checked = checked
        self.watched = watched


def load(options: Options) -> Loaded:
    """Read, check and compile. Raises RejectedError. Blocks: off the loop while serving."""
    tables, table_files = read_tables(options.files)
    checked = check(
        options.files,
        reader=Disk(),
        presets=load_presets(),
        formats=tables,
        now=datetime.now(UTC),
    )
    watched = _watched(options, checked, table_files)
    if checked.config is None:
        raise RejectedError("the configuration has errors", checked, watched)
    try:
        formats = load_formats(tables)
    except TableError as error:
        rejected = replace(checked, config=None, diagnostics=tuple(error.diagnostics))
        raise RejectedError("a translation table has errors", rejected, watched) from error
    snapshot = compile_snapshot(
        _with_options(checked.config, options),
        formats,
        digest=digest_of(checked.digest, tables),
        around=Surroundings(env=os.environ.get, read_file=_read_file),
    )
    return Loaded(checked=checked, snapshot=snapshot, watched=watched)


def _watched(options: Options, checked: Checked, table_files: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns count through their folder: a new file that matches arrives there."""
    folders = [str(Path(pattern).parent) for pattern in checked.patterns]
    users = [str(Path(file).parent / USER_TABLES) for file in options.files[:1]]
    return tuple(dict.fromkeys((*checked.files, *table_files, *folders, *users)))


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()


def _with_options(config: Config, options: Options) -> Config:
    server = config.server
    auth = config.auth
    if options.host is not None:
        server = replace(server, host=options.host)
    if options.port is not None:
        server = replace(server, port=options.port)
    if options.data_dir is not None:
        server = replace(server, data_dir=os.path.abspath(options.data_dir))  # noqa: PTH100 - no links followed
    if os.environ.get("REQUIRE_API_KEY", "").lower() in ("1", "true", "yes"):
        auth = replace(auth, require_api_key=True)
    return replace(config, server=server, auth=auth)
