"""Keys: look-up by digest, expiry, rotation, roles, hostile input."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omniroute.admission.keys import MAX_KEY_CHARS, KeyIndex, authorize, compile_keys
from omniroute.admission.values import Caller, Refuse, Surface
from omniroute.config.model import Auth, Config, Dashboard, Key, Mark
from tests.admission.cases import NOW, caller, digest, key, refused

SURFACES: tuple[Surface, ...] = ("inference", "management")


def index(*keys: Key, require: bool = True) -> KeyIndex:
    return KeyIndex({one.id: one for one in keys}, required=SURFACES if require else ())


def test_a_key_is_known_by_its_hash() -> None:
    found = index(key("ci", tags={"team": "platform"})).identify("sk-ci", NOW)
    assert isinstance(found, Caller)
    assert (found.key_id, found.tags) == ("ci", {"team": "platform"})


def test_both_hashes_count_while_a_key_is_rotated() -> None:
    keys = index(key("ci", "old", "new"))
    for secret in ("old", "new"):
        found = keys.identify(secret, NOW)
        assert isinstance(found, Caller)
        assert found.key_id == "ci"


@pytest.mark.parametrize(
    ("presented", "code"),
    [
        pytest.param(None, "missing_api_key", id="none"),
        pytest.param("", "missing_api_key", id="empty"),
        pytest.param("sk-c", "invalid_api_key", id="a prefix"),
        pytest.param("sk-ci ", "invalid_api_key", id="trailing space"),
        pytest.param("SK-CI", "invalid_api_key", id="other case"),
        pytest.param(digest("sk-ci"), "invalid_api_key", id="the hash itself"),
        pytest.param("' OR 1=1 --", "invalid_api_key", id="sql"),
        pytest.param("sk-ci\0", "invalid_api_key", id="nul"),
        pytest.param("sk-c\u0131", "invalid_api_key", id="not ascii"),
        pytest.param("\udcff\udcfe", "invalid_api_key", id="surrogates of raw bytes"),
        pytest.param("x" * (1 << 20), "invalid_api_key", id="one megabyte"),
        pytest.param("x" * (MAX_KEY_CHARS + 1), "invalid_api_key", id="just too long"),
    ],
)
def test_anything_else_is_refused(presented: str | None, code: str) -> None:
    refusal = refused(index(key("ci")).identify(presented, NOW))
    assert (refusal.error.status, refusal.error.code, refusal.decided_by) == (401, code, "key")
    assert "sk-" not in refusal.error.message


@pytest.mark.parametrize("require", [True, False])
def test_expired_and_disabled_keys_are_refused_with_their_place(*, require: bool) -> None:
    mark = Mark("omniroute.yaml", 7, 3)
    keys = KeyIndex(
        {"old": key("old", expires=NOW), "off": key("off", disabled=True)},
        required=SURFACES if require else (),
        positions={("keys", "old"): mark},
    )
    assert isinstance(keys.identify("sk-old", NOW - timedelta(microseconds=1)), Caller)
    refusal = refused(keys.identify("sk-old", NOW))
    assert (refusal.error.code, refusal.decided_by, refusal.mark) == (
        "expired_api_key",
        "key:old",
        mark,
    )
    assert refused(keys.identify("sk-off", NOW)).error.code == "disabled_api_key"


def test_without_a_need_for_keys_strangers_are_anonymous() -> None:
    keys = index(key("ci"), require=False)
    for presented in (None, "sk-whatever-the-sdk-insists-on"):
        found = keys.identify(presented, NOW)
        assert isinstance(found, Caller)
        assert (found.key_id, found.roles) == (None, frozenset(("inference",)))
    assert refused(keys.identify("\0", NOW)).error.status == 401


def test_roles() -> None:
    admin = index(key("a", roles=("admin",))).identify("sk-a", NOW)
    assert isinstance(admin, Caller)
    assert authorize(admin, "admin") is None
    assert authorize(admin, "viewer") is None
    refusal = refused(authorize(admin, "inference"))
    assert (refusal.error.status, refusal.decided_by) == (403, "key:a")
    viewer = caller(key("v", roles=("viewer",)))
    assert refused(authorize(viewer, "admin")).error.status == 403
    assert refused(authorize(Caller(), "viewer")).error.status == 401


def test_each_surface_asks_for_itself() -> None:
    keys = compile_keys(
        Config(auth=Auth(require_api_key=True, dashboard=Dashboard(require_login=False)))
    )
    for presented in (None, "sk-unknown"):
        assert isinstance(keys.identify(presented, NOW), Refuse)
        assert isinstance(keys.identify(presented, NOW, surface="management"), Caller)
    keys = compile_keys(Config())
    for presented in (None, "sk-unknown"):
        assert isinstance(keys.identify(presented, NOW), Caller)
        assert isinstance(keys.identify(presented, NOW, surface="management"), Refuse)
