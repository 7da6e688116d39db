"""`omniroute keys`: make, list, rotate and revoke API keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

import click
import orjson

from omniroute.active.disk import Disk, write_atomic
from omniroute.admission.keys import make_key
from omniroute.cli import completing
from omniroute.cli.options import (
    check_with,
    config_files,
    config_option,
    load_config,
    show_findings,
)
from omniroute.cli.reading import data_folder, ledger_options, read_answer
from omniroute.cli.tabular import aligned, window
from omniroute.config.change import Change, Values, change_files
from omniroute.config.check import check
from omniroute.config.edit import edit_text
from omniroute.config.loader import ChangedFiles, TextReader, load_tree
from omniroute.config.model import Config, Key
from omniroute.config.splices import EditError
from omniroute.config.yamltree import find, key_mark
from omniroute.errors import ConfigError, LedgerError, UsageError
from omniroute.ledger.named import moment_sql, named_sql


@click.group("keys")
def keys_group() -> None:
    """Make, list, rotate and revoke API keys."""


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
    key, digest = make_key()
    entry = _entry(digest, tags=_parse_tags(tags), models=models, roles=roles, expires=expires)
    text = edit_text("", {"keys": {name: entry}})
    _check_entry(text)
    shut = write and _write_entry(config_files(config), name, entry)
    if as_json:
        made = {"name": name, "key": key, "hash": digest}
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


@keys_group.command("rotate")
@click.argument("name", shell_complete=completing.keys)
@config_option
@click.option("--now", is_flag=True, help="End the old key at once.")
@click.option("--finish", is_flag=True, help="End the old key of an earlier rotation.")
@click.option("--json", "as_json", is_flag=True, help="Print the key as JSON.")
def keys_rotate(
    name: str, config: tuple[str, ...], *, now: bool, finish: bool, as_json: bool
) -> None:
    """Give the API key NAME another secret, in the file that declares it.

    The new key is printed once. The old one works as well until `--finish` takes it out, unless
    `--now` ends it at once.
    """
    if now and finish:
        raise UsageError("--now makes a new key, --finish makes none; give one of them")
    key, new = make_key()

    def rotate(entry: dict[str, Any]) -> None:
        hash_: object = entry["hash"]
        hashes = cast("list[object]", hash_) if isinstance(hash_, list) else [hash_]
        if finish:
            if len(hashes) < 2:
                raise UsageError(f'the key "{name}" is not being rotated')
            entry["hash"] = hashes[0]
        elif now:
            entry["hash"] = new
        elif len(hashes) > 1:
            raise UsageError(f'the key "{name}" is being rotated; --finish ends its old one')
        else:
            entry["hash"] = [new, *hashes]

    file = _change_entry(config_files(config), name, ("hash",), rotate)
    if finish:
        click.echo(f"the old key of {name} is out of {file}", err=True)
        return
    click.echo(orjson.dumps({"name": name, "key": key, "hash": new}).decode() if as_json else key)
    click.echo(f"wrote its hash to {file}", err=True)
    if not now:
        finishes = f"omniroute keys rotate {name} --finish"
        click.echo(f"The old key works until `{finishes}`.", err=True)
    click.echo("Keep the key now: it is not shown again.", err=True)


@keys_group.command("revoke")
@click.argument("name", shell_complete=completing.keys)
@config_option
def keys_revoke(name: str, config: tuple[str, ...]) -> None:
    """Refuse the API key NAME from now on: `disabled: true`, in the file that declares it.

    The entry stays, as limits, budgets and usage speak of it; a running server that watches its
    files refuses the key within a second.
    """

    def revoke(entry: dict[str, Any]) -> None:
        entry["disabled"] = True

    file = _change_entry(config_files(config), name, ("disabled", "hash"), revoke)
    click.echo(f"the key {name} is disabled in {file}", err=True)


@keys_group.command("list")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keys_list(
    config: tuple[str, ...], data_dir: str | None, patience_s: float, *, as_json: bool
) -> None:
    """List the declared keys: state, roles, expiry, last use, cost of 30 days, tags and models.

    Use and cost are those of the data folder, where requests have been served.
    """
    now = datetime.now(UTC)
    declared = load_config(config).keys.values()
    used = _used(config, data_dir, patience_s)
    if as_json:
        rows = [
            {
                "name": key.id,
                "state": _state(key, now),
                "roles": key.roles,
                "expires": key.expires,
                "last_used": None if used is None else used.get(key.id, _UNUSED).last,
                "cost_usd_30d": None if used is None else used.get(key.id, _UNUSED).cost_usd,
                "tags": dict(key.tags),
                "models": key.models,
            }
            for key in declared
        ]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2, default=str).decode())
        return
    heads = () if used is None else ("LAST USED", "USD 30D")
    table = [("NAME", "STATE", "ROLES", "STOPS", *heads, "TAGS", "MODELS")]
    table += [
        (
            key.id,
            _state(key, now),
            ",".join(key.roles),
            _minute(key.expires),
            *(() if used is None else used.get(key.id, _UNUSED).cells()),
            ",".join(f"{tag}={value}" for tag, value in key.tags.items()) or "-",
            " ".join(key.models) or "all",
        )
        for key in declared
    ]
    click.echo(aligned(table, window()), nl=False)


class _Used(NamedTuple):
    """A key's last use, UTC, and what it cost in 30 days as far as prices are known."""

    last: datetime | None
    cost_usd: Decimal | None

    def cells(self) -> tuple[str, str]:
        cost = "-" if self.cost_usd is None else f"{self.cost_usd:.2f}"
        return _minute(self.last), cost


_UNUSED: Final = _Used(None, None)


def _used(
    config: tuple[str, ...], data_dir: str | None, patience_s: float
) -> dict[str, _Used] | None:
    """By key; None where there is no usage data, or none can be read now, which is told."""
    statement = named_sql("keys", since=moment_sql("30d"))
    try:
        folder = data_folder(config, data_dir)
    except LedgerError:
        return None
    try:
        rows = read_answer(folder, statement, patience_s=patience_s)
    except LedgerError as error:
        click.echo(f"note: without last use and cost: {error}", err=True)
        return None
    return {key: _Used(last, cost_usd) for key, last, cost_usd in rows}


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"


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
    return {"hash": digest, **{name: value for name, value in given.items() if value}}


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

    config = _write_change(files, files[-1], add)
    said = ("auth", "require_api_key") in config.positions
    return len(config.keys) == 1 and not said


def _change_entry(
    files: tuple[str, ...],
    name: str,
    fields: tuple[str, ...],
    change: Callable[[dict[str, Any]], None],
) -> str:
    """Change a declared key where the first of `fields` that it has stands; that file's name.

    Of files that are laid over each other the last that has a field is the one that counts.
    """
    disk = Disk()
    roots = [(file, load_tree((file,), disk).root) for file in reversed(files)]
    for field in fields:
        path = ("keys", name, field)
        for file, root in roots:
            if root is not None and find(root, path) is not None:
                _write_change(files, file, lambda wanted: change(wanted["keys"][name]))
                return key_mark(root, path).file
    raise UsageError(f'there is no key "{name}"; `omniroute keys list` shows them')


def _write_change(files: tuple[str, ...], file: str, change: Change) -> Config:
    """Change `file` and its includes, if all of `files` pass the check with it; what they say."""
    disk = Disk()
    changed = change_files(file, disk, change)
    checked = check_with(ChangedFiles(disk, changed), files)
    if checked.config is None:
        show_findings(checked)
        raise ConfigError("nothing was written: the result would not pass `omniroute check`")
    for path, data in changed.items():
        write_atomic(path, data)
    return checked.config


def _state(key: Key, now: datetime) -> str:
    if key.disabled:
        return "disabled"
    return "expired" if key.expires is not None and key.expires <= now else "active"
