"""`omniroute schema`: what an editor knows of the configuration's language."""

from __future__ import annotations

import click

from omniroute.base.data import read_data


@click.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of the configuration, for editors and your own tools."""
    click.echo(read_data("schemas", "omniroute.schema.json").decode(), nl=False)
