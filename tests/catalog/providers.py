"""A provider of a shipped preset, as the configuration completes it."""

from __future__ import annotations

from omniroute.catalog.presets import load_presets
from omniroute.config.model import Provider


def provider_at(base_url: str, name: str | None) -> Provider:
    """With what reading takes from the preset `name`; None for a server without one."""
    preset = load_presets().get(name or "")
    return Provider(
        id="p",
        format="openai-chat",
        base_url=base_url,
        preset=name,
        catalog=None if preset is None else preset.catalog,
        free=preset is not None and preset.free,
    )
