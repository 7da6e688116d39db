"""Who may do what, from the table of routes: a new route cannot be forgotten."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator

import httpx
import pytest

from omniroute.http.edge.routes import Route, Surface
from tests.running import ECHO, served
from tests.surface import routes

KEYS = {"inference": "omr_models", "viewer": "omr_reader", "admin": "omr_root"}
CONFIG = (
    ECHO
    + "keys:\n"
    + "".join(
        f"  {role}: {{hash: 'sha256:{hashlib.sha256(key.encode()).hexdigest()}', "
        f"roles: [{role}]}}\n"
        for role, key in KEYS.items()
    )
)
PUBLIC = {
    "/",
    "/api/hello",
    "/healthz",
    "/readyz",
    "/api/init",
    "/api/auth/login",
    "/api/auth/logout",
    "/api/auth/status",
    "/api/settings/require-login",
}
"""What anybody may ask, of what no client's format describes."""
MANAGEMENT = [route for route in routes() if route.surface in (Surface.VIEWER, Surface.ADMIN)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    with (
        served(tmp_path_factory.mktemp("roles"), CONFIG) as gateway,
        httpx.Client(base_url=gateway.url) as client,
    ):
        yield client
        assert gateway.process.poll() is None


def asked(client: httpx.Client, route: Route, role: str | None) -> int:
    path = re.sub(r"<\w+:\w+>", "x", route.path)
    headers = {} if role is None else {"authorization": f"Bearer {KEYS[role]}"}
    return client.request(route.method, path, headers=headers, json={}).status_code


def test_only_these_are_public() -> None:
    own = {route.path for route in routes() if route.contract is not None}
    public = {route.path for route in routes() if route.surface is Surface.PUBLIC}
    assert public & own == PUBLIC


def test_changes_are_for_admins() -> None:
    """A POST may only ask, where it takes no `If-Match`."""
    for route in MANAGEMENT:
        changes = route.contract is not None and route.contract.if_match
        if changes or route.method in ("PUT", "PATCH", "DELETE"):
            assert route.surface is Surface.ADMIN, (route.method, route.path)


def test_without_a_credential_nothing_is_managed(client: httpx.Client) -> None:
    found = {(one.method, one.path): asked(client, one, None) for one in MANAGEMENT}
    assert found == dict.fromkeys(found, 401)


def test_with_a_role_too_low_nothing_is_managed(client: httpx.Client) -> None:
    for role in ("inference", "viewer"):
        beyond = [one for one in MANAGEMENT if role == "inference" or one.surface is Surface.ADMIN]
        found = {(one.method, one.path): asked(client, one, role) for one in beyond}
        assert found == dict.fromkeys(found, 403)
