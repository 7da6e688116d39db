"""`omniroute audit`: who changed the configuration, and whether the log of it is whole."""

from __future__ import annotations

import click

from omniroute.cli.options import config_option
from omniroute.cli.reading import folder_of
from omniroute.errors import LedgerError
from omniroute.worker.audit import AUDIT_FILE, AuditLog


@click.group("audit")
def audit_group() -> None:
    """Tell whether the log of who changed what is whole."""


@audit_group.command("verify")
@config_option
@click.option("--data-dir", type=click.Path(file_okay=False), help="Wins over the server's folder.")
def audit_verify(config: tuple[str, ...], data_dir: str | None) -> None:
    """Check that no entry of the audit log was changed, taken out or put in.

    Prints how many there are, and the hash of the last: kept elsewhere, it shows later whether
    entries were cut off at the end.
    """
    folder = folder_of(config, data_dir)
    log = AuditLog(folder)
    count, wrong = log.verify()
    if wrong is not None:
        raise LedgerError(f"{folder / AUDIT_FILE}: {wrong}; {count} entries before it are whole")
    last = next(iter(log.newest(limit=1)), None)
    click.echo(f"{count} entries, all whole" + (f"; the last is {last.hash}" if last else ""))
