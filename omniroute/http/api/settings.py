"""/api/settings: the gateway's own settings, one path for each part, changed in the file."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from omniroute.http.api.operation import ApiReply, operation
from omniroute.http.edge.routes import Route, Surface
from omniroute.management import address_rules, general, proxies, settings
from omniroute.management.proxies import ProxyTrial, ProxyVerdict
from omniroute.management.writeback import REFUSES, Author
from omniroute.worker.runtime import Runtime


def _setting(
    path: str,
    show: Callable[[Runtime], Any],
    change: Callable[..., Coroutine[Any, Any, Any]],
    *,
    noun: str,
    methods: tuple[str, ...] = ("PUT",),
    refuses: tuple[int, ...] = REFUSES,
) -> tuple[Route, ...]:
    """`change` has the body as its `wanted`; with each of `methods`, what is left out stays."""

    async def get(runtime: Runtime) -> ApiReply[Any]:
        return ApiReply(value=show(runtime), digest=runtime.snapshot.digest)

    async def put(runtime: Runtime, *, body: Any, author: Author) -> ApiReply[Any]:
        changed = await change(runtime, body, author=author)
        return ApiReply(value=changed, digest=runtime.snapshot.digest)

    hints, name = get_type_hints(change), path.removeprefix("/api/").replace("/", "_")
    name = name.replace("-", "_")
    return (
        operation(
            "GET", path, get, types={"return": get_type_hints(show)["return"]},
            name=name, surface=Surface.VIEWER, summary=f"The {noun} in force", etag=True,
        ),
        *(
            operation(
                method, path, put, types={"body": hints["wanted"], "return": hints["return"]},
                name=f"{name}_{method.lower()}", surface=Surface.ADMIN,
                summary=f"Change the {noun}", refuses=refuses, etag=True,
            )
            for method in methods
        ),
    )  # fmt: skip


async def _try_proxy(runtime: Runtime, *, body: ProxyTrial) -> ProxyVerdict:
    return await proxies.try_proxy(runtime, body)


ROUTES = (
    *_setting(
        "/api/settings", general.general, general.change_general,
        noun="general settings", methods=("PUT", "PATCH"),
    ),
    *_setting(
        "/api/settings/ip-filter", address_rules.ip_filter, address_rules.change_ip_filter,
        noun="rules of addresses",
    ),
    *_setting(
        "/api/settings/proxy", proxies.proxies, proxies.change_proxies, noun="proxies",
        refuses=(404, *REFUSES),
    ),
    operation(
        "POST", "/api/settings/proxy/test", _try_proxy,
        name="settings_proxy_test", surface=Surface.ADMIN, summary="Ask something through a proxy",
    ),
    *_setting(
        "/api/settings/system-prompt", settings.system_prompt, settings.change_system_prompt,
        noun="system prompt",
    ),
    *_setting(
        "/api/settings/thinking-budget", settings.thinking_budget, settings.change_thinking_budget,
        noun="thinking budget",
    ),
)  # fmt: skip
