"""The OpenAPI document against a served gateway: what it says is what is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import Any, Final

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from omniroute.http.api.openapi import document
from tests.running import Served, served
from tests.surface import routes
from tests.translation.tables import formats

KEY: Final = "omr_root"
CONFIG: Final = f"""
version: 1
auth: {{require_api_key: true}}
providers:
  echo: {{preset: echo}}
keys:
  root: {{hash: "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}", roles: [admin, inference]}}
"""


def schema() -> Any:
    text = msgspec.json.encode(document(routes(), formats()))
    loaded: Any = schemathesis.openapi.from_dict(msgspec.json.decode(text))
    # Of a change there are rules that no schema can tell: between fields, and of the whole file.
    # And a GET that opens a WebSocket has to ask for it.
    accepted = loaded.config.checks.positive_data_acceptance
    accepted.expected_statuses += ["400", "412", "422", "426", "429"]
    return loaded


# What opens the door to all that follow is tests/http/api/test_auth.py's, what ends the server
# tests/http/api/test_lifetime.py's.
MANAGEMENT: Final[Any] = (
    schema()
    .exclude(tag="inference")
    .exclude(operation_id=["login_rule_set", "restart", "shutdown"])
)
INFERENCE: Final[Any] = schema().include(tag="inference")
# Each field on its own is tests/http/inference/test_fields.py's; here it would take a minute.
INFERENCE.config.phases.coverage.enabled = False
few = settings(max_examples=3, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served(tmp_path_factory.mktemp("described"), CONFIG) as gateway:
        yield gateway
        assert gateway.process.poll() is None
        assert "Traceback" not in gateway.log.read_text()


class AdminKey:
    """Sent where the checks can take it away again."""

    def get(self, case: Any, context: Any) -> str:
        return f"Bearer {KEY}"

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers["Authorization"] = data


@MANAGEMENT.parametrize()
@MANAGEMENT.auth(AdminKey)
@few
def test_management_answers_as_described(gateway: Served, case: Any) -> None:
    case.call_and_validate(base_url=gateway.url)


@INFERENCE.parametrize()
@INFERENCE.auth(AdminKey)
@few
def test_inference_answers_as_described(gateway: Served, case: Any) -> None:
    case.call_and_validate(base_url=gateway.url)


@MANAGEMENT.parametrize()
@settings(few, max_examples=1, phases=[Phase.generate])
def test_without_a_key_nothing_is_told(gateway: Served, case: Any) -> None:
    reply = case.call_and_validate(base_url=gateway.url)
    assert reply.status_code >= 400 or not case.operation.definition.raw["security"]
