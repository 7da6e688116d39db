"""Every route that is served, with the credential it needs; a test walks this table."""

from __future__ import annotations

import logging

from omniroute.http.api import (
    audit_log,
    auth,
    cache,
    combos,
    config,
    config_history,
    health,
    hello,
    keys,
    lifetime,
    metrics,
    models_alias,
    models_availability,
    models_catalog,
    policies,
    pricing,
    provider_models,
    provider_nodes,
    providers,
    rate_limits,
    resilience,
    sessions,
    settings,
    usage,
    usage_budget,
    usage_sql,
)
from omniroute.http.api.openapi import described
from omniroute.http.edge.routes import Route
from omniroute.http.inference.paths import routes_of, without
from omniroute.translation.values import Formats

_log = logging.getLogger("omniroute.http")


def routes(formats: Formats) -> tuple[Route, ...]:
    """The whole table: where the formats' clients ask, the gateway's own paths, their description.

    Where a table wants one of the gateway's own paths, that stays the gateway's.
    """
    own = (
        *hello.ROUTES,
        *health.ROUTES,
        *auth.ROUTES,
        *config.ROUTES,
        *config_history.ROUTES,
        *lifetime.ROUTES,
        *audit_log.ROUTES,
        *resilience.ROUTES,
        *rate_limits.ROUTES,
        *sessions.ROUTES,
        *models_availability.ROUTES,
        *models_catalog.ROUTES,
        *models_alias.ROUTES,
        *combos.ROUTES,
        *keys.ROUTES,
        *policies.ROUTES,
        *providers.ROUTES,
        *provider_nodes.ROUTES,
        *provider_models.ROUTES,
        *settings.ROUTES,
        *pricing.ROUTES,
        *usage.ROUTES,
        *usage_budget.ROUTES,
        *usage_sql.ROUTES,
        *cache.ROUTES,
        *metrics.ROUTES,
    )
    served, lost = without(routes_of(formats), own)
    for route in lost:
        _log.warning("%s %s stays the gateway's own", route.method, route.path)
    return described((*served, *own), formats)
