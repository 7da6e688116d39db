"""Every route that is served, with the credential it needs; a test walks this table."""

from __future__ import annotations

from omniroute.http.api import (
    cache,
    config,
    health,
    metrics,
    models_availability,
    policies,
    rate_limits,
    resilience,
    sessions,
    usage_budget,
)
from omniroute.http.api.openapi import described
from omniroute.http.edge.routes import Route
from omniroute.http.inference import counting, gemini, generate, models, ollama, responses


def routes() -> tuple[Route, ...]:
    """The whole table, the document that describes it included."""
    return described(
        (
            *generate.ROUTES,
            *counting.ROUTES,
            *gemini.ROUTES,
            *ollama.ROUTES,
            *models.ROUTES,
            *responses.ROUTES,
            *health.ROUTES,
            *config.ROUTES,
            *resilience.ROUTES,
            *rate_limits.ROUTES,
            *sessions.ROUTES,
            *models_availability.ROUTES,
            *policies.ROUTES,
            *usage_budget.ROUTES,
            *cache.ROUTES,
            *metrics.ROUTES,
        )
    )
