"""The checked tree to the frozen Config: one builder per section, put together here.

To add a section: describe it in the schema, write `build_<section>(view) -> Value` in
`omniroute.config.sections`, and add its line to `build_config`. A section keyed by id goes into
`loader.ID_SECTIONS`. Rules that look at several values belong into `omniroute.config.lint`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from omniroute.config.diagnostics import Diagnostic
from omniroute.config.model import Config, Mark, Resilience
from omniroute.config.preset import Preset
from omniroute.config.sections.governance import (
    build_budgets,
    build_cache,
    build_ip_filter,
    build_policies,
    build_state_url,
    build_tests,
)
from omniroute.config.sections.keys import build_keys
from omniroute.config.sections.providers import build_providers
from omniroute.config.sections.routing import build_aliases, build_combos, build_resilience
from omniroute.config.sections.server import (
    build_auth,
    build_reload,
    build_server,
    build_settings,
    build_usage,
)
from omniroute.config.view import Findings, View
from omniroute.config.yamltree import Map, walk


class Built(Struct, frozen=True):
    """The config, complete where the tree was; what was wrong has its diagnostic."""

    config: Config
    diagnostics: tuple[Diagnostic, ...]


def build_config(
    root: Map,
    *,
    absolute: Callable[[str], str],
    presets: Mapping[str, Preset],
    formats: Collection[str] | None,
) -> Built:
    """`root` must have passed `check_schema`."""
    findings = Findings(absolute)
    view = View(root, (), findings)
    resilience = build_resilience(view.view("resilience"), Resilience())
    config = Config(
        server=build_server(view.view("server"), base_folder=findings.folder_of(root.mark)),
        auth=build_auth(view.view("auth")),
        keys=build_keys(view),
        providers=build_providers(view, presets=presets, formats=formats, resilience=resilience),
        aliases=build_aliases(view),
        combos=build_combos(view, resilience),
        resilience=resilience,
        policies=build_policies(view),
        ip_filter=build_ip_filter(view.view("ip_filter")),
        budgets=build_budgets(view),
        cache=build_cache(view.view("cache")),
        idempotency_window_s=view.view("idempotency").duration_s(
            "window", Config().idempotency_window_s
        ),
        state_url=build_state_url(view.view("state")),
        tests=build_tests(view),
        settings=build_settings(view.view("settings")),
        usage=build_usage(view.view("usage")),
        reload=build_reload(view.view("reload")),
        positions=_positions(root),
    )
    return Built(config, tuple(findings.items))


def _positions(root: Map) -> Mapping[tuple[str | int, ...], Mark]:
    return {path: mark for path, mark, _ in walk(root) if path}
