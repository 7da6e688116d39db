"""Settings that the environment may tighten when the gateway starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from omniroute.config.lint.access import how_to_shut, is_loopback
from omniroute.config.model import Config
from omniroute.errors import ConfigError

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})


def apply_environment(config: Config, env: Mapping[str, str]) -> Config:
    """`REQUIRE_API_KEY=true` turns `auth.require_api_key` on; it never turns it off.

    A value that is neither true nor false is a ConfigError: a typo must not leave a door open.
    """
    value = env.get("REQUIRE_API_KEY", "").strip().lower()
    if value in _FALSE:
        return config
    if value not in _TRUE:
        raise ConfigError(f"REQUIRE_API_KEY={value!r} is neither true nor false")
    return replace(config, auth=replace(config.auth, require_api_key=True))


def refuse_open_listener(config: Config) -> None:
    """ConfigError when other machines could call without a key, or manage without a login.

    `check` says the same of the files; this holds it for the address that is bound, which the
    command line may have chosen, or an earlier state of the files.
    """
    host, auth = config.server.host, config.auth
    if is_loopback(host):
        return
    if not auth.require_api_key:
        raise ConfigError(
            f"{host} can be reached from other machines, and no API key is required; "
            + how_to_shut(keys=bool(config.keys))
        )
    if not auth.dashboard.require_login:
        raise ConfigError(
            f"anybody who reaches {host} may use the management API; "
            "remove `require_login: false`, or listen on 127.0.0.1"
        )
