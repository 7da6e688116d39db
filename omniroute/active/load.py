"""From command-line options to a snapshot: what `serve` does first, and again at each reload."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import asdict, replace

from omniroute.active.commit import commit_of
from omniroute.active.disk import Disk
from omniroute.active.inspect import Inspected, inspect
from omniroute.active.lastgood import BundleReader, find_good
from omniroute.active.snapshot import Snapshot, Surroundings, compile_snapshot, digest_of
from omniroute.active.tables import read_tables, user_folder
from omniroute.config.check import Checked
from omniroute.config.diagnostics import Diagnostic, warning
from omniroute.config.environment import apply_environment, refuse_open_listener
from omniroute.config.model import Config, Mark, Server
from omniroute.errors import ConfigError

_DATA_DIR: Final = re.compile(r"""\bdata_dir:[ \t]*["']?([^"'#,}\s]+)""")
"""What a file that cannot be parsed says of its data folder; a guess, since what is kept there
names the files that it is of."""


class InForce(Struct, frozen=True, kw_only=True):
    """Settings that a server reads once: it has the socket, the processes and the folder open."""

    host: str
    port: int
    workers: int | Literal["auto"]
    data_dir: str

    @classmethod
    def of(cls, server: Server) -> InForce:
        return cls(**{name: getattr(server, name) for name in cls.__struct_fields__})


class Options(Struct, frozen=True, kw_only=True):
    """What was said on the command line; each value wins over the file's."""

    files: tuple[str, ...]
    host: str | None = None
    port: int | None = None
    workers: int | Literal["auto"] | None = None
    data_dir: str | None = None
    worker: int | None = None
    """This process's number among several, None when it is the only one."""
    in_force: InForce | None = None
    """What a running server began with, None for one that begins."""


class Loaded(Struct, frozen=True, kw_only=True):
    """A state of the files that can be served."""

    inspected: Inspected
    snapshot: Snapshot
    watched: tuple[str, ...]
    """Every file and folder whose change may matter."""
    waiting: tuple[str, ...] = ()
    """Settings of the files that only a restart brings into force; until then the old ones hold."""
    refused: ConfigError | None = None
    """Why the files cannot be served, where this is the last good configuration instead."""

    @property
    def checked(self) -> Checked:
        return self.inspected.checked

    @property
    def server(self) -> Server:
        return self.snapshot.config.server

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What is to be told although it can be served; of the files, where this is not them."""
        if self.refused is not None:
            return tuple(item for item in self.refused.diagnostics if isinstance(item, Diagnostic))
        return (*self.checked.diagnostics, *self.snapshot.warnings, *self._restarts())

    def _restarts(self) -> Iterator[Diagnostic]:
        config = self.snapshot.config
        for setting in self.waiting:
            path = tuple(setting.split("."))
            yield warning(
                "OR903",
                config.positions.get(path) or config.positions.get(path[:1]) or Mark("", 1, 1),
                f"`{setting}` takes effect at a restart; until then the old value holds",
                path=path,
                hint="restart the server, or take the change back",
            )


class RejectedError(ConfigError):
    """The files cannot be served; `diagnostics` say why, `checked` has the sources to show."""

    def __init__(self, message: str, checked: Checked, watched: tuple[str, ...]) -> None:
        super().__init__(message, checked.diagnostics)
        self.checked = checked
        self.watched = watched


def load(options: Options) -> Loaded:
    """Read, check and compile. Raises RejectedError. Blocks: off the loop while serving."""
    return _compile(options, inspect(options.files, Disk()), commit=commit_of(options.files[0]))


def load_or_last_good(options: Options) -> Loaded:
    """As `load`; where the files cannot be served, what was kept of them when they could.

    It is looked for in the data folder in force, else the command line's, else where the files
    name one, else in the default one beside the first file. Raises the files' ConfigError when
    there is none, or it is none any more.
    """
    try:
        return load(options)
    except ConfigError as error:
        found = (find_good(folder, options.files) for folder in _data_folders(options, error))
        bundle = next((bundle for bundle in found if bundle is not None), None)
        if bundle is None:
            raise
        try:
            tables = {**read_tables(), **bundle.tables}
            kept = _compile(options, inspect(options.files, BundleReader(bundle), tables=tables))
        except ConfigError:
            raise error from None
        watched = error.watched if isinstance(error, RejectedError) else ()
        return replace(kept, refused=error, watched=tuple(dict.fromkeys((*kept.watched, *watched))))


def _data_folders(options: Options, error: ConfigError) -> Iterator[Path]:
    """Where the data of a server on these files may be, which nobody can read as a whole."""
    if options.in_force is not None:
        yield Path(options.in_force.data_dir)
        return
    if options.data_dir is not None:
        yield Path(options.data_dir)
        return
    if isinstance(error, RejectedError):
        for file, text in error.checked.sources.items():
            for named in _DATA_DIR.finditer(text):
                yield Path(file).parent / named[1]
    yield Path(options.files[0]).parent / Server().data_dir


def _compile(options: Options, inspected: Inspected, *, commit: str | None = None) -> Loaded:
    """Raises RejectedError, and ConfigError for what opens the door."""
    checked, formats = inspected.checked, inspected.formats
    watched = _watched(options, inspected)
    if checked.config is None or formats is None:
        raise RejectedError("the configuration has errors", checked, watched)
    if not checked.config.providers:  # emptied by mistake it would take every key along
        raise RejectedError("nothing to serve: no provider", _as_error(checked, "OR520"), watched)
    config, waiting = _with_options(checked.config, options)
    secret_files: list[str] = []

    def read_file(path: str) -> bytes:
        secret_files.append(path)  # also one that is missing now: it may come
        return Path(path).read_bytes()

    snapshot = compile_snapshot(
        config,
        formats,
        digest=digest_of(checked.digest, inspected.tables),
        around=Surroundings(env=os.environ.get, read_file=read_file, commit=commit),
    )
    watched = tuple(dict.fromkeys((*watched, *secret_files)))
    return Loaded(inspected=inspected, snapshot=snapshot, watched=watched, waiting=waiting)


def _as_error(checked: Checked, code: str) -> Checked:
    """What `check` only warns of, as a file may be one of several, and a server cannot take."""
    return replace(
        checked,
        diagnostics=tuple(
            replace(item, severity="error") if item.code == code else item
            for item in checked.diagnostics
        ),
    )


def _watched(options: Options, inspected: Inspected) -> tuple[str, ...]:
    """Patterns count through their folder: a new file that matches arrives there."""
    checked = inspected.checked
    folders = [str(Path(pattern).parent) for pattern in checked.patterns]
    users = user_folder(options.files)
    tables = [name for name in inspected.tables if Path(name).parent == users]
    return tuple(dict.fromkeys((*checked.files, *tables, *folders, str(users))))


def _with_options(config: Config, options: Options) -> tuple[Config, tuple[str, ...]]:
    """With the command line, then what is in force, then the environment; and what has to wait.

    Raises ConfigError when the result opens the door: of a running server, the door that it has.
    """
    given = {
        "host": options.host,
        "port": options.port,
        "workers": options.workers,
        "data_dir": None if options.data_dir is None else str(Path(options.data_dir).absolute()),
    }
    server = replace(
        config.server, **{name: value for name, value in given.items() if value is not None}
    )
    waiting: tuple[str, ...] = ()
    if options.in_force is not None:
        held = asdict(options.in_force)
        waiting = tuple(f"server.{name}" for name in held if getattr(server, name) != held[name])
        server = replace(server, **held)
    config = apply_environment(replace(config, server=server), os.environ)
    refuse_open_listener(config)
    return config, waiting
