"""`omniroute keys`: make and list API keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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
from omniroute.config.check import check
from omniroute.config.edit import EditError, insert_entry
from omniroute.config.loader import TextReader
from omniroute.config.model import Key
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
    lines = _entry_lines(
        name, digest, tags=_parse_tags(tags), models=models, roles=roles, expires=expires
    )
    _check_entry(lines)
    shut = write and _write_entry(config_files(config), name, lines)
    if as_json:
        made = {"name": name, "key": key, "hash": f"sha256:{digest}"}
        click.echo(orjson.dumps(made).decode())
        return
    click.echo(key)
    if write:
        click.echo(f"wrote the entry {name} to {config_files(config)[-1]}", err=True)
    else:
        entry = "".join(f"  {line}\n" for line in lines)
        click.echo(f"\nkeys:\n{entry}", nl=False)
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


def _entry_lines(
    name: str,
    digest: str,
    *,
    tags: dict[str, str],
    models: Sequence[str],
    roles: Sequence[str],
    expires: str | None,
) -> tuple[str, ...]:
    """The entry as YAML; every word from the command line is quoted as JSON, which YAML reads."""
    lines = [f"{_word(name)}:", f"  hash: sha256:{digest}"]
    if tags:
        inner = ", ".join(f"{_word(tag)}: {_word(value)}" for tag, value in tags.items())
        lines.append(f"  tags: {{{inner}}}")
    if models:
        lines.append(f"  models: [{', '.join(_quoted(model) for model in models)}]")
    if roles:
        lines.append(f"  roles: [{', '.join(_word(role) for role in roles)}]")
    if expires:
        lines.append(f"  expires: {_word(expires)}")
    return tuple(lines)


def _word(text: str) -> str:
    """Plain where YAML reads it as text without doubt, else quoted."""
    simple = text.replace("-", "").replace("_", "").replace(".", "").isalnum() and text.isascii()
    doubtful = text.lower() in ("true", "false", "null") or not text[:1].isalpha()
    date = len(text) == 10 and text.replace("-", "").isdigit()
    return text if date or (simple and not doubtful) else _quoted(text)


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _check_entry(lines: tuple[str, ...]) -> None:
    """Refuse names, roles and dates that the language does not take."""
    entry = "".join(f"  {line}\n" for line in lines)
    text = f"keys:\n{entry}"
    reader = TextReader({"entry": text.encode()})
    found = check(["entry"], reader=reader, presets={}, now=datetime.now(UTC)).diagnostics
    errors = [item for item in found if item.severity == "error"]
    if errors:
        hint = f" ({errors[0].hint})" if errors[0].hint else ""
        raise UsageError(f"{errors[0].message}{hint}")


class _Edited(Disk):
    """The disk as it would be with one file changed."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._data = data

    def read(self, path: str) -> bytes:
        return self._data if path == self._path else super().read(path)


def _write_entry(files: tuple[str, ...], name: str, lines: tuple[str, ...]) -> bool:
    """Insert, check the whole configuration as it would be, and only then replace the file.

    Whether the new key shuts a door that was open.
    """
    target = files[-1]
    try:
        text = Path(target).read_bytes().decode()
    except UnicodeDecodeError:
        raise EditError(f"{target} is not UTF-8; run `omniroute check` first") from None
    edited = insert_entry(text, "keys", name, lines).encode()
    checked = check_with(_Edited(target, edited), files)
    if checked.config is None:
        show_findings(checked)
        raise ConfigError("nothing was written: the result would not pass `omniroute check`")
    write_atomic(target, edited)
    said = ("auth", "require_api_key") in checked.config.positions
    return len(checked.config.keys) == 1 and not said


def _state(key: Key, now: datetime) -> str:
    if key.disabled:
        return "disabled"
    return "expired" if key.expires is not None and key.expires <= now else "active"
