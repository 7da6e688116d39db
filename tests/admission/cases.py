"""Values that the tests of admission share: keys, callers and facts with sensible defaults."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from omniroute.admission.values import Admit, Caller, Refuse, RequestFacts
from omniroute.config.model import Config, Key

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def key(name: str = "ci", *secrets: str, **fields: Any) -> Key:
    return Key(id=name, hashes=tuple(map(digest, secrets or (f"sk-{name}",))), **fields)


def caller(declared: Key | None = None) -> Caller:
    roles = frozenset(("inference",)) if declared is None else frozenset(declared.roles)
    if declared is None:
        return Caller(roles=roles)
    return Caller(key_id=declared.id, key=declared, tags=declared.tags, roles=roles)


def facts(who: Caller | None = None, **fields: Any) -> RequestFacts:
    given: dict[str, Any] = {
        "ip": "10.0.0.7",
        "path": "/v1/chat/completions",
        "format": "openai-chat",
        "model": "smart",
        **fields,
    }
    return RequestFacts(caller=who or caller(), **given)


def config(*keys: Key, **fields: Any) -> Config:
    return Config(keys={one.id: one for one in keys}, **fields)


def admitted(decision: Admit | Refuse) -> Admit:
    assert isinstance(decision, Admit), decision
    return decision


def refused(decision: object) -> Refuse:
    assert isinstance(decision, Refuse), decision
    return decision
