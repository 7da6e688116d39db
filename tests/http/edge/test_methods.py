"""A method that a path does not take is a 405 with `Allow`; an unknown path is a 404."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import running
from tests.surface import routes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PLACES = {"<path:path>": "m:none", "<provider:str>": "echo", "<id:str>": "resp_1"}


def served() -> dict[str, set[str]]:
    """Every path of the surface, filled in, with the methods that it takes."""
    found: dict[str, set[str]] = {}
    for route in routes():
        path = route.path
        for place, value in PLACES.items():
            path = path.replace(place, value)
        found.setdefault(path, set()).update(
            {"GET", "HEAD"} if route.method == "GET" else {route.method}
        )
    return found


@pytest.mark.parametrize("cors", [False, True])
async def test_every_path_says_what_it_takes(tmp_path: Path, *, cors: bool) -> None:
    text = "version: 1\nproviders: {echo: {preset: echo}}\n"
    if cors:
        text += 'server: {cors: {origins: ["https://chat.example"]}}\n'
    async with running(tmp_path, text) as gateway:
        for path, takes in served().items():
            for method in METHODS:
                if method in takes:
                    continue
                reply = await gateway.client.request(method, path)
                assert reply.status_code == 405, (method, path, reply.text)
                assert set(reply.headers["allow"].split(", ")) == takes, (method, path)
                assert method == "HEAD" or reply.json()["error"], path


async def test_unknown_paths_are_told_in_the_envelope_of_their_clients(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        for method in METHODS:
            for path in ("/nothing", "/v1/nothing", "/v1beta/nothing", "/api/nothing"):
                reply = await gateway.client.request(method, path)
                assert reply.status_code == 404, (method, path)
                if method != "HEAD":
                    error = reply.json()["error"]
                    assert ("status" in error) == path.startswith("/v1beta"), path
                    assert ("type" in error) == (not path.startswith(("/v1beta", "/api"))), path
                    named = error["message"] == f"{method} {path} is not served here"
                    assert named == (not path.startswith("/api")), path
