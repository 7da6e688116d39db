"""`omniroute keys`: make and list API keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import orjson

from omniroute.active.disk import Disk, write_atomic
from omniroute.cli.options import (
    check_with,
    config_files,
    config_option,
    load_config,
    show_findings,
)
from omniroute.cli.tabular import aligned, window
from omniroute.config.change import Values, change_files
from omniroute.config.check import check
from omniroute.config.edit import edit_text
from omniroute.config.loader import ChangedFiles, TextReader
from omniroute.config.model import Key
from omniroute.config.splices import EditError
from omniroute.errors import ConfigError, UsageError

KEY_PREFIX: Final = "omr_"
_KEY_BYTES: Final = 32


@click.group("keys")
def keys_group() -> None:
    """Make and list API keys."""


@keys_group.command("new")
@click.argument("name")
@config_option
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag; repeatable.")
@click.option("--model", "models", multiple=True, metavar="GLOB", help="Models it may call.")
@click.option("--role", "roles", multiple=True, help="inference, viewer or admin; repeatable.")
@click.option("--expires", metavar="DATE", help="Last day (UTC) on which it works, 2027-12-31.")
@click.option("--write", is_flag=True, help="Insert the entry into the (last) configuration file.")
@click.option("--json", "as_json", is_flag=True, help="Print key and entry as JSON.")
def keys_new(
    name: str,
    config: tuple[str, ...],
    tags: tuple[str, ...],
    models: tuple[str, ...],
    roles: tuple[str, ...],
    expires: str | None,
    *,
    write: bool,
    as_json: bool,
) -> None:
    """Make an API key called NAME.

    The key is printed once and stored nowhere; the file gets its hash alone.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    digest = hashlib.sha256(key.encode()).hexdigest()
    entry = _entry(digest, tags=_parse_tags(tags), models=models, roles=roles, expires=expires)
    text = edit_text("", {"keys": {name: entry}})
    _check_entry(text)
    shut = write and _write_entry(config_files(config), name, entry)
    if as_json:
        made = {"name": name, "key": key, "hash": f"sha256:{digest}"}
        click.echo(orjson.dumps(made).decode())
        return
    click.echo(key)
    if write:
        click.echo(f"wrote the entry {name} to {config_files(config)[-1]}", err=True)
    else:
        click.echo(f"\n{text}", nl=False)
    if shut:
        click.echo("It is the first one: from now on every caller needs a key.", err=True)
    click.echo("Keep the key now: it is not shown again.", err=True)


@keys_group.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keys_list(config: tuple[str, ...], *, as_json: bool) -> None:
    """List the declared keys: state, roles, expiry, tags and models."""
    now = datetime.now(UTC)
    keys = load_config(config).keys.values()
    if as_json:
        rows = [
            {
                "name": key.id,
                "state": _state(key, now),
                "roles": key.roles,
                "expires": key.expires,
                "tags": dict(key.tags),
                "models": key.models,
            }
            for key in keys
        ]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = [("NAME", "STATE", "ROLES", "STOPS", "TAGS", "MODELS")]
    table += [
        (
            key.id,
            _state(key, now),
            ",".join(key.roles),
            key.expires.strftime("%Y-%m-%d %H:%M") if key.expires else "-",
            ",".join(f"{tag}={value}" for tag, value in key.tags.items()) or "-",
            " ".join(key.models) or "all",
        )
        for key in keys
    ]
    click.echo(aligned(table, window()), nl=False)


def _parse_tags(texts: tuple[str, ...]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--tag {text}: write NAME=VALUE, for example --tag team=platform")
        tags[name] = value
    return tags


def _entry(
    digest: str,
    *,
    tags: dict[str, str],
    models: Sequence[str],
    roles: Sequence[str],
    expires: str | None,
) -> Values:
    given = {"tags": tags, "models": list(models), "roles": list(roles), "expires": expires}
    return {"hash": f"sha256:{digest}", **{name: value for name, value in given.items() if value}}


def _check_entry(text: str) -> None:
    """Refuse names, roles and dates that the language does not take."""
    reader = TextReader({"entry": text.encode()})
    found = check(["entry"], reader=reader, presets={}, now=datetime.now(UTC)).diagnostics
    errors = [item for item in found if item.severity == "error"]
    if errors:
        hint = f" ({errors[0].hint})" if errors[0].hint else ""
        raise UsageError(f"{errors[0].message}{hint}")


def _write_entry(files: tuple[str, ...], name: str, entry: Values) -> bool:
    """Insert, check the whole configuration as it would be, and only then replace the file.

    Whether the new key shuts a door that was open.
    """

    def add(wanted: dict[str, Any]) -> None:
        keys: dict[str, Any] = wanted.get("keys") or {}
        if name in keys:
            raise EditError(f'"{name}" is already declared under `keys`; nothing was written')
        wanted["keys"] = {**keys, name: entry}

    disk = Disk()
    changed = change_files(files[-1], disk, add)
    checked = check_with(ChangedFiles(disk, changed), files)
    if checked.config is None:
        show_findings(checked)
        raise ConfigError("nothing was written: the result would not pass `omniroute check`")
    for path, data in changed.items():
        write_atomic(path, data)
    said = ("auth", "require_api_key") in checked.config.positions
    return len(checked.config.keys) == 1 and not said


def _state(key: Key, now: datetime) -> str:
    if key.disabled:
        return "disabled"
    return "expired" if key.expires is not None and key.expires <= now else "active"
