"""From command-line options to a snapshot: what `serve` does first, and again at each reload."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from omniroute.active.disk import Disk
from omniroute.active.inspect import Inspected, inspect
from omniroute.active.snapshot import Snapshot, Surroundings, compile_snapshot, digest_of
from omniroute.active.tables import user_folder
from omniroute.config.check import Checked
from omniroute.config.environment import apply_environment, refuse_open_listener
from omniroute.config.model import Config, Server
from omniroute.errors import ConfigError


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

    inspected: Inspected
    snapshot: Snapshot
    watched: tuple[str, ...]
    """Every file and folder whose change may matter."""

    @property
    def checked(self) -> Checked:
        return self.inspected.checked

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
    inspected = inspect(options.files, Disk())
    checked, formats = inspected.checked, inspected.formats
    watched = _watched(options, inspected)
    if checked.config is None or formats is None:
        raise RejectedError("the configuration has errors", checked, watched)
    snapshot = compile_snapshot(
        _with_options(checked.config, options),
        formats,
        digest=digest_of(checked.digest, inspected.tables),
        around=Surroundings(env=os.environ.get, read_file=_read_file),
    )
    return Loaded(inspected=inspected, snapshot=snapshot, watched=watched)


def _watched(options: Options, inspected: Inspected) -> tuple[str, ...]:
    """Patterns count through their folder: a new file that matches arrives there."""
    checked = inspected.checked
    folders = [str(Path(pattern).parent) for pattern in checked.patterns]
    users = user_folder(options.files)
    tables = [name for name in inspected.tables if Path(name).parent == users]
    return tuple(dict.fromkeys((*checked.files, *tables, *folders, str(users))))


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()


def _with_options(config: Config, options: Options) -> Config:
    """The command line, then the environment. Raises ConfigError when that opens the door."""
    server = config.server
    if options.host is not None:
        server = replace(server, host=options.host)
    if options.port is not None:
        server = replace(server, port=options.port)
    if options.data_dir is not None:
        server = replace(server, data_dir=str(Path(options.data_dir).absolute()))
    config = apply_environment(replace(config, server=server), os.environ)
    refuse_open_listener(config)
    return config
