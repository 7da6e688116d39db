"""`omniroute providers`: the presets that ship with the product."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import click
import orjson
from msgspec import Struct
from msgspec.structs import asdict

from omniroute.catalog.presets import card_of, load_presets
from omniroute.cli.completing import presets
from omniroute.cli.tabular import aligned, window
from omniroute.config.model import Model, Provider, Quirks
from omniroute.config.preset import Preset
from omniroute.config.schema import suggest
from omniroute.errors import UsageError

_NANO: Final = 10**9


class _OrPreset(click.Group):
    """A word that is no subcommand is a preset to show."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


@click.group("providers", cls=_OrPreset, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def providers_group(ctx: click.Context, *, as_json: bool) -> None:
    """List the presets: providers that need a name and a credential, and nothing else.

    `omniroute providers NAME` shows one, as `show` does.
    """
    if ctx.invoked_subcommand is not None:
        return
    found = load_presets().values()
    if as_json:
        _write([_facts(preset) for preset in found])
        return
    rows: list[Sequence[str]] = [("PRESET", "PROVIDER", "FORMAT", "KEY", "MODELS")]
    rows += [
        (one.id, one.title, one.format, one.api_key_env or "-", str(len(one.models) or "any"))
        for one in found
    ]
    click.echo(aligned(rows, window()), nl=False)


@providers_group.command("show")
@click.argument("name", shell_complete=presets)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def providers_show(name: str, *, as_json: bool) -> None:
    """Show what the preset NAME fills in, its models with their prices, and what to write."""
    preset = preset_of(name)
    models = _models(preset)
    if as_json:
        _write({**_facts(preset), "models": models})
        return
    facts = {name: _text(value) for name, value in _facts(preset).items() if value is not None}
    del facts["models"]
    click.echo(aligned(list(facts.items()), window()), nl=False)
    click.echo(f"\nproviders:\n{entry_of(preset)}", nl=False)
    rows: list[Sequence[str]] = [("MODEL", "KIND", "CONTEXT", "USD/M IN", "USD/M OUT", "CAN")]
    rows += [
        (
            model.id,
            model.kind,
            _number(model.context_window),
            _number(model.input_usd),
            _number(model.output_usd),
            " ".join(model.capabilities or ()) or "-",
        )
        for model in models
    ]
    if models:
        click.echo(f"\n{aligned(rows, window())}", nl=False)


def preset_of(name: str) -> Preset:
    """Raises UsageError, with a near name where there is one."""
    preset = load_presets().get(name)
    if preset is None:
        hint = suggest(name, load_presets()) or "`omniroute providers` lists them"
        raise UsageError(f'there is no preset "{name}"; {hint}')
    return preset


class _Shown(Struct, frozen=True, kw_only=True):
    """A model as it is listed; prices are USD per million tokens, None where unknown."""

    id: str
    kind: str
    context_window: int | None
    capabilities: tuple[str, ...] | None
    input_usd: float | None
    output_usd: float | None


def _text(value: object) -> str:
    match value:
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return " ".join(f"{name}: {orjson.dumps(of).decode()}" for name, of in pairs)
        case list():
            return " ".join(map(str, cast("list[object]", value)))
        case _:
            return str(value)


def _told(quirks: Quirks) -> dict[str, Any]:
    return {name: value for name, value in asdict(quirks).items() if value}


def _facts(preset: Preset) -> dict[str, Any]:
    return {
        "preset": preset.id,
        "title": preset.title,
        "format": preset.format,
        "base_url": preset.base_url or preset.own_url,
        "key": preset.api_key_env,
        "docs": preset.docs or None,
        "sources": list(preset.sources),
        "omit": list(preset.omit) or None,
        "rename": dict(preset.rename) or None,
        "quirks": None if preset.quirks is None else _told(preset.quirks),
        "query": dict(preset.query) or None,
        "auth": None if preset.auth is None else asdict(preset.auth),
        "models": list(preset.models),
    }


def _models(preset: Preset) -> list[_Shown]:
    provider = Provider(
        id=preset.id,
        format=preset.format,
        base_url=preset.base_url or "",
        catalog=preset.catalog,
        free=preset.free,
    )
    now = datetime.now(UTC)
    return [_shown(provider, model, now) for model in preset.models.values()]


def _shown(provider: Provider, model: Model, now: datetime) -> _Shown:
    card = card_of(provider, model.upstream_id or model.id, at=now, declared=model.price)
    price = None if card is None else card.base
    return _Shown(
        id=model.id,
        kind=model.kind,
        context_window=model.context_window,
        capabilities=model.capabilities,
        input_usd=None if price is None else _usd(price.input_nanousd),
        output_usd=None if price is None else _usd(price.output_nanousd),
    )


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / _NANO


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def entry_of(preset: Preset) -> str:
    """What to write into the file, below `providers:`."""
    lines = [f"  {preset.id}:", f"    preset: {preset.id}"]
    if preset.own_url is not None:
        lines.append(f"    base_url: {preset.own_url}")
    if preset.api_key_env is not None:
        lines += ["    connections:", f'      main: {{api_key: "${{env:{preset.api_key_env}}}"}}']
    return "\n".join(lines) + "\n"


def _write(value: object) -> None:
    click.echo(
        orjson.dumps(value, option=orjson.OPT_INDENT_2, default=_plain).decode(),
    )


def _plain(value: object) -> object:
    if isinstance(value, Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    raise TypeError
