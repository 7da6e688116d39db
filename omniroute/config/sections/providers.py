"""The section `providers`: presets filled in, declared fields winning."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, cast

from msgspec.structs import replace

from omniroute.config.model import (
    Balance,
    Connection,
    Model,
    ModelKind,
    Price,
    Provider,
    Ref,
    Resilience,
    Timeouts,
    Tls,
)
from omniroute.config.preset import Preset
from omniroute.config.schema import suggest
from omniroute.config.sections.routing import build_resilience
from omniroute.config.view import View

DEFAULT_CONNECTION: Final = Connection(id="default")


def build_providers(
    root: View,
    *,
    presets: Mapping[str, Preset],
    formats: Collection[str] | None,
    resilience: Resilience,
) -> Mapping[str, Provider]:
    """`formats` are the names of the translation tables; None leaves them unchecked.

    `resilience` is the global section, which a provider's own is laid over.
    """
    built: dict[str, Provider] = {}
    for name, view in root.views("providers"):
        provider = _build_provider(name, view, presets=presets, formats=formats)
        if provider is not None and "resilience" in view:
            own = build_resilience(view.view("resilience"), resilience)
            provider = replace(provider, resilience=own)
        if provider is not None:
            built[name] = provider
    return built


def _build_provider(
    name: str, view: View, *, presets: Mapping[str, Preset], formats: Collection[str] | None
) -> Provider | None:
    preset_name = view.optional_text("preset")
    preset = None if preset_name is None else presets.get(preset_name)
    if preset_name is not None and preset is None:
        view.report(
            "OR501",
            view.value_mark("preset"),
            f'there is no preset "{preset_name}"',
            key="preset",
            hint=suggest(preset_name, presets),
        )
    wire_format = view.optional_text("format") or (preset.format if preset else None)
    base_url = view.optional_text("base_url") or (preset.base_url if preset else None)
    if formats is not None and wire_format is not None and wire_format not in formats:
        key = "format" if "format" in view else "preset"
        view.report(
            "OR502",
            view.value_mark(key),
            f'there is no format "{wire_format}"',
            key=key,
            hint=suggest(wire_format, formats),
        )
    if preset_name is None:
        _report_missing(name, view, wire_format=wire_format, base_url=base_url)
    if wire_format is None or base_url is None:
        return None
    headers = {key: Ref(value) for key, value in preset.headers.items()} if preset else {}
    private = preset.allow_private_network if preset else False
    return Provider(
        id=name,
        format=wire_format,
        base_url=base_url,
        preset=preset_name,
        connections=_build_connections(view),
        balance=cast("Balance", view.text("balance", "priority")),
        allow_private_network=view.boolean("allow_private_network", default=private),
        headers={**headers, **view.ref_map("headers")},
        timeout=_build_timeouts(view.view("timeout")),
        tls=_build_tls(view.view("tls")),
        proxy=view.ref("proxy"),
        client=cast("Literal['fast', 'httpx']", view.text("client", "fast")),
        models=_build_models(view, preset.models if preset else {}),
        strict_models=view.boolean("strict_models", default=False),
    )


def _report_missing(
    name: str, view: View, *, wire_format: str | None, base_url: str | None
) -> None:
    hints = {
        "format": "add `format: openai-chat`, or a `preset`",
        "base_url": "add `base_url: https://…`, or a `preset`",
    }
    values = {"format": wire_format, "base_url": base_url}
    for field in (field for field, value in values.items() if value is None):
        view.report(
            "OR503",
            view.own_mark,
            f'provider "{name}" has neither a preset nor "{field}"',
            hint=hints[field],
        )


def _build_connections(view: View) -> Mapping[str, Connection]:
    declared = {name: _build_connection(name, inner) for name, inner in view.views("connections")}
    return declared or {DEFAULT_CONNECTION.id: DEFAULT_CONNECTION}


def _build_connection(name: str, view: View) -> Connection:
    return Connection(
        id=name,
        api_key=view.ref("api_key"),
        priority=view.integer("priority", 1),
        weight=view.integer("weight", 1),
        enabled=view.boolean("enabled", default=True),
        base_url=view.optional_text("base_url"),
        headers=view.ref_map("headers"),
        proxy=view.ref("proxy"),
    )


def _build_timeouts(view: View) -> Timeouts:
    default = Timeouts()
    return Timeouts(
        connect_s=view.duration_s("connect", default.connect_s),
        first_byte_s=view.duration_s("first_byte", default.first_byte_s),
        idle_s=view.duration_s("idle", default.idle_s),
    )


def _build_tls(view: View) -> Tls:
    return Tls(
        ca_file=view.file_path("ca_file"),
        cert_file=view.file_path("cert_file"),
        key_file=view.file_path("key_file"),
        insecure_skip_verify=view.boolean("insecure_skip_verify", default=False),
    )


def _build_models(view: View, shipped: Mapping[str, Model]) -> Mapping[str, Model]:
    models = dict(shipped)
    for name, inner in view.views("models"):
        models[name] = _build_model(inner, shipped.get(name, Model(id=name)))
    return models


def _build_model(view: View, base: Model) -> Model:
    """`base` with the declared fields put over it."""
    model = replace(
        base,
        kind=cast("ModelKind", view.text("kind", base.kind)),
        upstream_id=view.optional_text("upstream_id") or base.upstream_id,
        context_window=view.optional_integer("context_window") or base.context_window,
        max_output_tokens=view.optional_integer("max_output_tokens") or base.max_output_tokens,
    )
    if "capabilities" in view:
        model = replace(model, capabilities=view.texts("capabilities"))
    if "price" in view:
        model = replace(model, price=_build_price(view.view("price")))
    return model


def _build_price(view: View) -> Price:
    return Price(
        input_nanousd=view.nanousd("input"),
        output_nanousd=view.nanousd("output"),
        cached_input_nanousd=view.nanousd("cached_input"),
        cache_write_nanousd=view.nanousd("cache_write"),
    )
