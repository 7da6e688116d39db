"""What the environment may tighten."""

from __future__ import annotations

import pytest

from omniroute.config.environment import apply_environment, refuse_open_listener
from omniroute.config.model import Auth, Config, Key, Server
from omniroute.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "required"),
    [("true", True), ("1", True), ("YES", True), ("", False), ("false", False), ("0", False)],
)
def test_keys_can_be_required(value: str, required: bool) -> None:
    config = apply_environment(Config(), {"REQUIRE_API_KEY": value})
    assert config == Config(auth=Auth(require_api_key=required))


def test_a_requirement_is_never_lifted() -> None:
    strict = Config(auth=Auth(require_api_key=True))
    assert apply_environment(strict, {"REQUIRE_API_KEY": "false"}) == strict


def test_a_typo_does_not_leave_a_door_open() -> None:
    with pytest.raises(ConfigError, match="REQUIRE_API_KEY='treu'"):
        apply_environment(Config(), {"REQUIRE_API_KEY": "treu"})


def test_a_host_from_the_command_line_is_held_to_the_same_rule() -> None:
    wide = Server(host="0.0.0.0")  # noqa: S104 -- the case under test
    with pytest.raises(ConfigError, match="is required; declare a key under `keys`, or listen"):
        refuse_open_listener(Config(server=wide))
    with pytest.raises(ConfigError, match="is required; remove `require_api_key: false`, or"):
        refuse_open_listener(Config(server=wide, keys={"ci": Key(id="ci", hashes=())}))
    refuse_open_listener(Config(server=wide, auth=Auth(require_api_key=True)))
    refuse_open_listener(Config())
