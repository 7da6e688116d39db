"""All rules in one list. To add one: write the function beside its kin, name it here.

A rule takes LintFacts and yields diagnostics of one code. The code's text goes into
`omniroute/config/codes.yaml`; its wrong and right example are the rule's first test, and
`tests/golden/config/positions.txt` says where the findings of the wrong one stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.config.diagnostics import Diagnostic
from omniroute.config.lint import (
    access,
    addresses,
    caching,
    combos,
    governance,
    providers,
    routing,
    secrets,
    timing,
)
from omniroute.config.lint.facts import LintFacts, Rule

RULES: Final[tuple[Rule, ...]] = (
    access.open_to_the_network,
    access.open_management,
    access.keys_not_asked_for,
    access.no_key_can_pass,
    access.expired_key,
    access.key_stops_soon,
    access.hash_used_twice,
    access.model_glob_matches_nothing,
    addresses.bad_network,
    addresses.bad_listen_host,
    addresses.bad_origin,
    addresses.bad_base_url,
    addresses.credentials_in_url,
    addresses.query_in_base_url,
    addresses.private_address,
    addresses.base_url_convention,
    addresses.key_over_plain_http,
    addresses.bad_proxy_url,
    providers.no_providers,
    providers.no_connection_enabled,
    providers.no_credential,
    providers.missing_file,
    providers.half_a_client_certificate,
    providers.certificate_not_checked,
    providers.header_not_yours,
    providers.header_value_breaks_line,
    routing.unknown_target,
    routing.ambiguous_target,
    routing.loop,
    routing.wildcard_conflict,
    routing.alias_hides,
    combos.dead_end,
    combos.dead_target,
    combos.unreachable_target,
    combos.weight_zero,
    combos.condition_does_not_compile,
    combos.condition_names_unknown_field,
    combos.weaker_fallback,
    combos.mixed_kinds,
    combos.mixed_dimensions,
    combos.fallback_comes_too_late,
    governance.bad_expression,
    governance.unknown_field,
    governance.incomplete_policy,
    governance.policy_id_twice,
    governance.unreachable_policy,
    governance.shadowed_address_rule,
    governance.nobody_comes_in,
    governance.unknown_budget_scope,
    governance.unknown_timezone,
    governance.half_a_degradation,
    governance.spend_without_price,
    governance.webhook_never_called,
    governance.bad_webhook_url,
    governance.test_names_nothing,
    caching.semantic_without_model,
    caching.embeds_with_another_kind,
    timing.zero_timeout,
    timing.timeouts_do_not_fit,
    secrets.recognised_secret,
    secrets.literal_credential,
    secrets.not_a_password_hash,
)


def run_rules(facts: LintFacts) -> Iterator[Diagnostic]:
    for rule in RULES:
        yield from rule(facts)
