"""`omniroute serve`: one worker in this process, or a parent with one child per worker."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from omniroute.active.load import Options, RejectedError, load
from omniroute.base.log import set_up_logging
from omniroute.cli.options import config_files, config_option, rejected, show_findings
from omniroute.errors import ConfigError, UsageError
from omniroute.http.edge import server
from omniroute.http.edge.workers import run_workers
from omniroute.http.surface import routes
from omniroute.worker.stores import embed_store

WORKER_ENV: Final = "OMNIROUTE_WORKER"
"""Set by the parent for each child: its number, from 0."""


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
) -> None:
    """Serve the gateway; reloads by itself when the configuration changes.

    TERM and INT end it: running streams may finish for server.shutdown_grace. HUP reloads.
    """
    set_up_logging(level=log_level, json_lines=log_format == "json")
    options = Options(
        files=config_files(tuple(config)),
        host=host,
        port=port,
        data_dir=data_dir,
        worker=_worker_number(),
    )
    try:
        first = load(options)
    except RejectedError as error:
        show_findings(error.checked)
        raise rejected(error.checked) from error
    count = _worker_count(workers, first.server.workers)
    _prepare(Path(first.server.data_dir))
    listener = _listen(first.server.host, first.server.port, shared=count > 1)
    if options.worker is None and count > 1:
        embedded = embed_store(first.snapshot.config)
        try:
            code = run_workers(count, listener, env=WORKER_ENV)
        finally:
            if embedded is not None:
                embedded.close()
        sys.exit(code)
    sys.exit(server.run(options, first, listener, routes()))


def _prepare(data_dir: Path) -> None:
    """The data folder has to be there before workers share it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"cannot write to the data folder {data_dir}: {reason}; give another "
            "`server.data_dir`, or --data-dir"
        ) from None


def _worker_number() -> int | None:
    text = os.environ.get(WORKER_ENV)
    return int(text) if text else None


def _worker_count(asked: str | None, configured: int | str) -> int:
    wanted = asked if asked is not None else str(configured)
    if wanted == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not wanted.isdecimal() or int(wanted) < 1:
        raise UsageError(f"--workers must be a number from 1 or 'auto', not {wanted!r}")
    return int(wanted)


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket; a taken port is told with what to do about it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared or WORKER_ENV in os.environ:
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
