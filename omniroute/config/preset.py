"""What a preset is: the value that the catalog hands in, so that config needs no catalog."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from omniroute.config.model import Model


class Preset(Struct, frozen=True, kw_only=True):
    """A shipped provider: what `preset: NAME` fills in; any field given in the file wins."""

    id: str
    title: str
    """The vendor's or server's own name, for listings."""
    docs: str = ""
    """The vendor's page on its API, for hints."""
    sources: tuple[str, ...] = ()
    """The pages that say what is said here."""
    format: str
    base_url: str | None
    """As the format's official SDK takes it; `echo:` marks what answers without network. None
    where every customer has another."""
    own_url: str | None = None
    """What such a URL looks like; for examples and hints."""
    models: Mapping[str, Model] = {}
    headers: Mapping[str, str] = {}
    needs_key: bool = True
    """False for servers that answer without a credential."""
    api_key_env: str | None = None
    """The variable that holds the credential by the vendor's convention; for examples and hints."""
    allow_private_network: bool = False
    """True for servers that usually run on one's own machine."""
