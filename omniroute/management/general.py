"""The settings that older clients ask for in one place, and changing them in the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins
from msgspec.structs import fields

from omniroute.config.change import Values, merge
from omniroute.errors import RequestError
from omniroute.management.derived import in_file, show
from omniroute.management.login import LoginRule, login_rule
from omniroute.management.resilience import ResilienceSettings
from omniroute.management.settings import (
    SystemPromptChange,
    SystemPromptReport,
    ThinkingBudgetChange,
    ThinkingBudgetReport,
    system_prompt,
    thinking_budget,
)
from omniroute.management.writeback import Author, change_config
from omniroute.worker.runtime import Runtime

_MIB: Final = 1 << 20
_ELSEWHERE: Final[Mapping[str, str]] = {
    "require_login": "PUT /api/settings/require-login",
    "resilience_settings": "PATCH /api/resilience",
}
"""Where what is only shown here is changed; the rest is in the file alone."""


class GeneralSettings(LoginRule, frozen=True, kw_only=True, rename="camel"):
    """Each part has a path of its own, too."""

    require_api_key: bool
    request_retry: int
    """Attempts beyond the first at one connection."""
    max_retry_interval_sec: float
    idempotency_window_ms: int
    max_body_size_mb: float
    system_prompt: SystemPromptReport
    thinking_budget: ThinkingBudgetReport
    resilience_settings: ResilienceSettings
    api_port: int


class GeneralChange(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is left out stays. Fields that are only shown may come back as they are."""

    request_retry: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    max_retry_interval_sec: Annotated[float, Meta(ge=0, le=86_400)] | UnsetType = UNSET
    idempotency_window_ms: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    max_body_size_mb: Annotated[float, Meta(gt=0, le=4096)] | UnsetType = UNSET
    system_prompt: SystemPromptChange | UnsetType = UNSET
    thinking_budget: ThinkingBudgetChange | UnsetType = UNSET
    require_login: Any = UNSET
    has_password: Any = UNSET
    setup_complete: Any = UNSET
    require_api_key: Any = UNSET
    resilience_settings: Any = UNSET
    api_port: Any = UNSET


def general(runtime: Runtime) -> GeneralSettings:
    config = runtime.snapshot.config
    retry, rule = config.resilience.retry, login_rule(runtime)
    return GeneralSettings(
        require_login=rule.require_login,
        has_password=rule.has_password,
        setup_complete=rule.setup_complete,
        require_api_key=config.auth.require_api_key,
        request_retry=retry.attempts,
        max_retry_interval_sec=retry.max_interval_s,
        idempotency_window_ms=round(config.idempotency.window_s * 1000),
        max_body_size_mb=config.server.max_body_bytes / _MIB,
        system_prompt=system_prompt(runtime),
        thinking_budget=thinking_budget(runtime),
        resilience_settings=show(ResilienceSettings, config.resilience),
        api_port=config.server.port,
    )


async def change_general(
    runtime: Runtime, wanted: GeneralChange, *, author: Author
) -> GeneralSettings:
    """Raises RequestError: 400 for a field that is only shown here and would be another, and as
    `change_config`."""
    _refuse_shown(runtime, wanted)
    values = _general_values(wanted)

    def change(tree: dict[str, Any]) -> None:
        after = merge(tree, values)
        if after != tree:
            tree.clear()
            tree.update(after)

    await change_config(runtime, change, author=author)
    return general(runtime)


def _general_values(wanted: GeneralChange) -> Values:
    retry: dict[str, Any] = {}
    if wanted.request_retry is not UNSET:
        retry["attempts"] = wanted.request_retry
    if wanted.max_retry_interval_sec is not UNSET:
        retry["max_interval"] = f"{wanted.max_retry_interval_sec:g}s"
    values: dict[str, Any] = {"resilience": {"retry": retry}} if retry else {}
    if wanted.idempotency_window_ms is not UNSET:
        values["idempotency"] = {"window": f"{wanted.idempotency_window_ms}ms"}
    if wanted.max_body_size_mb is not UNSET:
        size = round(wanted.max_body_size_mb * _MIB)
        whole = size % _MIB == 0
        values["server"] = {"max_body": f"{size // _MIB}MiB" if whole else f"{size}B"}
    settings = {
        name: in_file(change, whole=False)
        for name in ("system_prompt", "thinking_budget")
        if (change := getattr(wanted, name)) is not UNSET
    }
    return {**values, "settings": settings} if settings else values


def _refuse_shown(runtime: Runtime, wanted: GeneralChange) -> None:
    shown = to_builtins(general(runtime))
    for field in fields(GeneralChange):
        given = getattr(wanted, field.name)
        if field.type is Any and given is not UNSET and given != shown[field.encode_name]:
            place = _ELSEWHERE.get(field.name, "the file itself")
            message = f"`{field.encode_name}` is only shown here; it is changed by {place}"
            raise RequestError("invalid_request", message, param=field.encode_name)
