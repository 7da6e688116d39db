"""The served OpenAPI document: every route with its credential, parameters, bodies, answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from omniroute.http.api.openapi import document
from omniroute.http.edge.endpoints import MANAGEMENT, envelope_of
from omniroute.http.edge.routes import Surface
from tests.running import ECHO, running
from tests.surface import routes
from tests.translation.tables import formats

OPEN = ECHO + "auth: {dashboard: {require_login: false}}\n"
DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(routes(), formats())))


async def test_it_is_served_and_is_made_of_the_routes(tmp_path: Path) -> None:
    async with running(tmp_path, OPEN) as gateway:
        reply = await gateway.client.get("/api/openapi.json")
        assert reply.status_code == 200
        assert reply.json() == DOCUMENT


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_one_operation() -> None:
    written = {(route.method, re.sub(r"<(\w+):\w+>", r"{\1}", route.path)) for route in routes()}
    assert set(operations()) == written
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in operations().values())


def test_parameters_of_the_path_are_all_there() -> None:
    for (_, path), operation in operations().items():
        declared = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
        assert declared == re.findall(r"{(\w+)}", path)


def test_only_public_routes_need_no_key() -> None:
    public = {route.path for route in routes() if route.surface is Surface.PUBLIC}
    assert {path for (_, path), one in operations().items() if not one["security"]} == public


def test_every_management_route_says_what_it_takes_and_answers() -> None:
    without = [
        route.path
        for route in routes()
        if route.contract is None
        and (envelope_of(formats(), route.path, {}) == MANAGEMENT or route.surface is Surface.ADMIN)
    ]
    assert without == []
    for route in routes():
        if route.contract is None:
            continue
        operation = operations()[route.method, re.sub(r"<(\w+):\w+>", r"{\1}", route.path)]
        assert "default" not in operation["responses"]
        for response in operation["responses"].values():
            assert all(content["schema"] for content in response["content"].values())


def test_the_parameters_and_headers_of_a_change_are_declared() -> None:
    budgets = operations()["GET", "/api/usage/budget"]["parameters"]
    assert [(one["name"], one["in"], one["required"]) for one in budgets] == [
        ("keyId", "query", False),
        ("apiKeyId", "query", False),
    ]
    change = operations()["PATCH", "/api/resilience"]
    assert [one["name"] for one in change["parameters"]] == ["If-Match"]
    refused = {"400", "401", "403", "408", "409", "412", "413", "415", "422", "431"}
    assert set(change["responses"]) == {"200", *refused}
    assert "ETag" in change["responses"]["200"]["headers"]
    assert change["requestBody"]["required"]
    assert not operations()["POST", "/api/resilience/reset"]["requestBody"]["required"]


def test_requests_to_models_are_described_by_their_known_fields() -> None:
    taken = {
        path: next(iter(operation["requestBody"]["content"].values()))["schema"]
        for (_, path), operation in operations().items()
        if operation["tags"] == ["inference"] and "requestBody" in operation
    }
    assert taken.pop("/api/show") == {"type": "object"}  # a name alone
    assert taken["/v1/messages"] == {"$ref": "#/components/schemas/anthropic.request"}
    schemas = DOCUMENT["components"]["schemas"]
    for schema in taken.values():
        for one in schema.get("anyOf", [schema]):
            assert one["$ref"].rpartition("/")[2] in schemas
    tokens = {"type": "array", "items": {"type": "integer"}, "minItems": 1}
    inputs = schemas["openai-chat.embedding.request"]["properties"]["input"]["anyOf"]
    assert tokens in inputs[1]["items"]["anyOf"]
    message = schemas["openai-chat.message"]
    assert (message["required"], message["additionalProperties"]) == (["role"], True)
    assert schemas["openai-chat.request"]["properties"]["messages"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/openai-chat.message"},
        "minItems": 1,
    }


def test_a_request_with_a_file_is_a_form() -> None:
    content = operations()["POST", "/v1/audio/transcriptions"]["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    form = DOCUMENT["components"]["schemas"]["openai-chat.transcription.request"]
    assert form["properties"]["file"]["contentMediaType"] == "application/octet-stream"


def test_every_schema_is_a_json_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
