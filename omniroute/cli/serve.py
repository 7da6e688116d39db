"""`omniroute serve`: one worker in this process, or a parent with one child per worker."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click
from msgspec.structs import replace

from omniroute.active.load import InForce, Loaded, Options, RejectedError, load, load_or_last_good
from omniroute.base.log import set_up_logging
from omniroute.base.tether import end_with_parent
from omniroute.cli.options import DEFAULT_FILE, config_files, config_option, rejected, show_findings
from omniroute.errors import ConfigError, UsageError
from omniroute.http.edge import server
from omniroute.http.edge.workers import read_seat, run_workers
from omniroute.http.surface import routes
from omniroute.worker.folder import hold_folder
from omniroute.worker.ownpassword import INITIAL_ENV, settle_own_password
from omniroute.worker.runtime import RESTART
from omniroute.worker.stores import embed_store
from omniroute.worker.whereabouts import leave_note


@click.command()
@config_option
@click.option("--host", help="Address to listen on; wins over server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--workers", help="How many processes, or 'auto' for one per core.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    help="Folder for the ledger and the spool; wins over server.data_dir.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse to start on broken files, where the last good configuration would be served.",
)
@click.option(
    "--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
)
def serve(
    config: Sequence[str],
    host: str | None,
    port: int | None,
    workers: str | None,
    data_dir: str | None,
    log_format: str,
    log_level: str,
    *,
    strict: bool,
) -> None:
    """Serve the gateway; reloads by itself when the configuration changes.

    TERM and INT end it: running streams may finish for server.shutdown_grace. HUP reloads.
    """
    seat = read_seat()
    if seat is not None:
        end_with_parent()
    os.umask(0o077)  # whatever is written is its owner's alone, in the folders of others too
    set_up_logging(level=log_level, json_lines=log_format == "json")
    options = Options(
        # A worker starts all the same: its parent serves, whatever became of the files.
        files=config_files(tuple(config)) if seat is None else tuple(config) or (DEFAULT_FILE,),
        host=host,
        port=port,
        workers=_worker_option(workers),
        data_dir=data_dir,
        worker=None if seat is None else seat.number,
        in_force=None if seat is None else seat.in_force,
    )
    first = _load(options, strict=strict and seat is None)
    if seat is not None:
        listener = _listen(first.server.host, seat.port, shared=True)
        sys.exit(server.run(options, first, listener, routes))
    folder = Path(first.server.data_dir)
    lock = hold_folder(folder)
    leave_note(options.files, folder)
    _settle_password(first, folder)
    count = _worker_count(first.server.workers)
    listener = _listen(first.server.host, first.server.port, shared=count > 1)
    if count == 1:
        code = server.run(options, first, listener, routes)
    else:
        code = _run_parent(options, first, listener, count=count, lock=lock)
    if code == RESTART:  # the same process, as whoever watches it expects, and the same arguments
        os.execv(sys.executable, [sys.executable, "-m", "omniroute", *sys.argv[1:]])  # noqa: S606
    sys.exit(code)


def _settle_password(first: Loaded, folder: Path) -> None:
    """Without a login, or with a password in the files, there is nothing to keep."""
    needs_login = first.snapshot.config.auth.dashboard.require_login
    if not needs_login or not first.snapshot.passwords.keeps_own:
        return
    made = settle_own_password(folder, os.environ.get(INITIAL_ENV))
    if made is not None:
        click.echo(
            f"The password of the management login is {made}\n"
            "Keep it now: it is not shown again. `auth.dashboard.password_hash` sets another.",
            err=True,
        )


def _load(options: Options, *, strict: bool) -> Loaded:
    """What the files say, else, unless `strict`, what they said when they could last be served."""
    try:
        first = load(options) if strict else load_or_last_good(options)
    except RejectedError as error:
        show_findings(error.checked)
        raise rejected(error.checked) from error
    if isinstance(first.refused, RejectedError) and options.worker is None:
        show_findings(first.refused.checked)
    return first


def _run_parent(
    options: Options, first: Loaded, listener: socket.socket, *, count: int, lock: int
) -> int:
    in_force = InForce.of(first.server)

    def latest_grace_s() -> float:
        try:
            latest = load_or_last_good(replace(options, in_force=in_force))
        except ConfigError:
            latest = first
        return latest.server.shutdown_grace_s

    embedded = embed_store(first.snapshot.config, folder_lock=lock)
    try:
        return run_workers(
            count,
            listener,
            in_force=in_force,
            folder_lock=lock,
            grace_s=first.server.shutdown_grace_s,
            latest_grace_s=latest_grace_s,
        )
    finally:
        if embedded is not None:
            embedded.close()


def _worker_option(text: str | None) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--workers must be a number from 1 or 'auto', not {text!r}")
    return int(text)


def _worker_count(wanted: int | Literal["auto"]) -> int:
    if wanted != "auto":
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket; a taken port is told with what to do about it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; "
            "stop what listens there, or give another --port"
        ) from None
    return listener
