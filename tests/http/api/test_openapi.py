"""The served OpenAPI document: every route, each with its credential, parameters and answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omniroute.http.api.openapi import document
from omniroute.http.edge.routes import Surface
from omniroute.http.surface import routes
from tests.running import ECHO, running

OPEN = ECHO + "auth: {dashboard: {require_login: false}}\n"


async def test_it_is_served_and_is_made_of_the_routes(tmp_path: Path) -> None:
    async with running(tmp_path, OPEN) as gateway:
        reply = await gateway.client.get("/api/openapi.json")
        assert reply.status_code == 200
        assert reply.json() == document(routes())


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in document(routes())["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_one_operation() -> None:
    written = {(route.method, re.sub(r"<(\w+):\w+>", r"{\1}", route.path)) for route in routes()}
    assert set(operations()) == written
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in operations().values())


def test_parameters_are_those_of_the_path() -> None:
    for (_, path), operation in operations().items():
        declared = [one["name"] for one in operation.get("parameters", [])]
        assert declared == re.findall(r"{(\w+)}", path)


def test_only_public_routes_need_no_key() -> None:
    public = {route.path for route in routes() if route.surface is Surface.PUBLIC}
    assert {path for (_, path), one in operations().items() if not one["security"]} == public
