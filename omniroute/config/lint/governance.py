"""Rules about policies, address rules, budgets and tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omniroute.config.diagnostics import Diagnostic, Path, Related, error, warning
from omniroute.config.lint.expressions import naming_no_field, not_compiling
from omniroute.config.lint.facts import LintFacts
from omniroute.config.model import Budget, Policy
from omniroute.config.schema import suggest

_WILD = re.compile(r"[*?\[]")
Network = IPv4Network | IPv6Network
_NEEDS = {"route": "to", "set": "values", "limit": "limit", "require": "require"}


def bad_expression(facts: LintFacts) -> Iterator[Diagnostic]:
    return not_compiling(facts, "OR701", _expressions(facts))


def unknown_field(facts: LintFacts) -> Iterator[Diagnostic]:
    return naming_no_field(facts, "OR702", _expressions(facts))


def _expressions(facts: LintFacts) -> Iterator[tuple[str, Path]]:
    for index, policy in enumerate(facts.config.policies):
        path: Path = ("policies", index)
        if policy.when is not None:
            yield policy.when, (*path, "when")
        if policy.require is not None:
            yield policy.require, (*path, "require")
        for name, value in policy.values.items():
            if isinstance(value, str):
                yield value, (*path, "values", name)


def incomplete_policy(facts: LintFacts) -> Iterator[Diagnostic]:
    for index, policy in enumerate(facts.config.policies):
        path: Path = ("policies", index)
        wanted = _NEEDS.get(policy.action)
        if wanted is not None and not facts.has((*path, wanted)):
            yield error(
                "OR703",
                facts.key_mark(path),
                f'the policy "{policy.id}" has the action {policy.action}, but no `{wanted}`',
                path=path,
            )
        for key in _NEEDS.values():
            if key != wanted and facts.has((*path, key)):
                yield error(
                    "OR703",
                    facts.key_mark((*path, key)),
                    f"`{key}` has no meaning for the action {policy.action}",
                    path=(*path, key),
                )


def policy_id_twice(facts: LintFacts) -> Iterator[Diagnostic]:
    seen: dict[str, int] = {}
    for index, policy in enumerate(facts.config.policies):
        first = seen.setdefault(policy.id, index)
        if first != index:
            path: Path = ("policies", index, "id")
            yield error(
                "OR704",
                facts.value_mark(path),
                f'two policies have the id "{policy.id}"',
                path=path,
                hint="errors and the ledger name a policy by its id",
                related=(Related(facts.value_mark(("policies", first, "id")), "the first"),),
            )


def unreachable_policy(facts: LintFacts) -> Iterator[Diagnostic]:
    """After a rule that always denies nothing follows; a route that a later one always replaces."""
    stop: Policy | None = None
    for index, policy in enumerate(facts.config.policies):
        path: Path = ("policies", index)
        if stop is not None:
            yield warning(
                "OR705",
                facts.key_mark(path),
                f'the policy "{policy.id}" is never reached: "{stop.id}" denies everything',
                path=path,
                hint="give the earlier rule a `when`, or move it to the end",
            )
        elif policy.action == "deny" and (policy.when is None or policy.when.strip() == "`true`"):
            stop = policy


def shadowed_address_rule(facts: LintFacts) -> Iterator[Diagnostic]:
    """A rule that changes nothing: the next wider network around it says the same already."""
    rules = facts.config.ip_filter
    entries: list[tuple[Network, bool, Path]] = []
    for key, allow in (("allow", True), ("deny", False)):
        for index, text in enumerate(rules.allow if allow else rules.deny):
            network = _network(text)
            if network is not None:
                entries.append((network, allow, ("ip_filter", key, index)))
    for network, allow, path in entries:
        around = [entry for entry in entries if entry[2] != path and _covers(entry[0], network)]
        same = [entry for entry in around if entry[0] == network]
        if any(other[1] is not allow for other in same) and allow:
            wider, message = same[0], f"{network} is denied too, and deny wins"
        elif same and same[0][2] < path and same[0][1] is allow:
            wider, message = same[0], f"{network} is listed twice"
        elif around and not same:
            wider = max(around, key=lambda entry: (entry[0].prefixlen, not entry[1]))
            if wider[1] is not allow:
                continue
            message = f"{network} is a part of {wider[0]}, which says the same"
        else:
            continue
        yield warning(
            "OR711",
            facts.value_mark(path),
            f"this rule has no effect: {message}",
            path=path,
            related=(Related(facts.value_mark(wider[2]), str(wider[0])),),
        )


def _covers(wide: Network, narrow: Network) -> bool:
    if isinstance(wide, IPv4Network):
        return isinstance(narrow, IPv4Network) and narrow.subnet_of(wide)
    return isinstance(narrow, IPv6Network) and narrow.subnet_of(wide)


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def nobody_comes_in(facts: LintFacts) -> Iterator[Diagnostic]:
    rules, path = facts.config.ip_filter, ("ip_filter", "mode")
    if rules.mode == "allow" and not rules.allow:
        yield error(
            "OR712",
            facts.value_mark(path),
            "only listed addresses come in, and none is listed",
            path=path,
            hint='list some under `allow`, such as 127.0.0.0/8 and "::1/128"',
        )


def unknown_budget_scope(facts: LintFacts) -> Iterator[Diagnostic]:
    if not facts.complete:
        return
    config = facts.config
    tags = {tag for key in config.keys.values() for tag in key.tags.items()}
    for budget in config.budgets.values():
        match budget.scope:
            case ("key", name) if name not in facts.names("keys"):
                what, hint = f'no key is called "{name}"', suggest(name, facts.names("keys"))
            case ("provider", name) if name not in facts.names("providers"):
                what = f'no provider is called "{name}"'
                hint = suggest(name, facts.names("providers"))
            case ("tag", name, value) if (name, value) not in tags:
                what = f'no key has the tag {name} "{value}"'
                hint = suggest(value, {known for tag, known in tags if tag == name})
            case _:
                continue
        path: Path = ("budgets", budget.id, "scope")
        yield error("OR721", facts.value_mark(path), what, path=path, hint=hint)


def unknown_timezone(facts: LintFacts) -> Iterator[Diagnostic]:
    for budget in facts.config.budgets.values():
        try:
            ZoneInfo(budget.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            path: Path = ("budgets", budget.id, "timezone")
            yield error(
                "OR722",
                facts.value_mark(path),
                f'"{budget.timezone}" is not a timezone',
                path=path,
                hint="write a name such as UTC or Europe/Berlin",
            )


def half_a_degradation(facts: LintFacts) -> Iterator[Diagnostic]:
    for budget in facts.config.budgets.values():
        path: Path = ("budgets", budget.id)
        if budget.action == "degrade" and budget.degrade_to is None:
            yield error(
                "OR723",
                facts.key_mark(path),
                f'the budget "{budget.id}" degrades, but does not say to what',
                path=path,
                hint="add `degrade_to`",
            )


def webhook_never_called(facts: LintFacts) -> Iterator[Diagnostic]:
    for budget in facts.config.budgets.values():
        path: Path = ("budgets", budget.id, "webhook")
        if budget.webhook is not None and not budget.warn_at:
            yield warning(
                "OR725",
                facts.key_mark(path),
                f'the budget "{budget.id}" has a webhook, but no share at which to call it',
                path=path,
                hint="add `warn_at: [80%, 100%]`",
            )


def bad_webhook_url(facts: LintFacts) -> Iterator[Diagnostic]:
    for budget in facts.config.budgets.values():
        hook = None if budget.webhook is None else budget.webhook.url
        # All of it may come from the environment; then there is nothing to look at.
        if hook is None or hook.text.startswith("${"):
            continue
        if not re.match(r"https?://[^/?#\s]", hook.text, re.IGNORECASE):
            path: Path = ("budgets", budget.id, "webhook")
            whole = (*path, "url") if facts.has((*path, "url")) else path
            yield error(
                "OR726",
                facts.value_mark(whole),
                "this is not a URL that can be called",
                path=whole,
                hint="write https://host/path, or a reference such as ${env:BUDGET_WEBHOOK}",
            )


def spend_without_price(facts: LintFacts) -> Iterator[Diagnostic]:
    """What nobody can tell the cost of: declared, or passed on by its name."""
    for budget in facts.config.budgets.values():
        if budget.unpriced == "allow":
            continue
        models = [
            f"{provider.id}/{model.id}"
            for provider in facts.config.providers.values()
            for model in provider.models.values()
            if not facts.priced(provider, model) and _concerns(budget, provider.id, model.id)
        ]
        open_ended = [
            provider.id
            for provider in facts.config.providers.values()
            if not (provider.strict_models or facts.priced(provider, None))
            and _concerns_others(budget, provider.id)
        ]
        if not (models or open_ended):
            continue
        names = [*models, *(f"any name that {provider} passes on" for provider in open_ended)]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
        verb = "cannot count" if budget.action == "warn" else "refuses"
        hints: list[str] = []
        if models:
            hints.append("give the model a `price`; 0 says that it is free")
        if open_ended:
            hints.append("`strict_models: true` lets only declared models be called")
        hints.append("`unpriced: allow` in the budget lets them pass uncounted")
        path: Path = ("budgets", budget.id)
        yield warning(
            "OR724",
            facts.key_mark(path),
            f'the budget "{budget.id}" {verb} what has no price: {shown}',
            path=path,
            hint="; ".join(hints),
        )


def _concerns(budget: Budget, provider: str, model: str) -> bool:
    match budget.scope:
        case ("provider", name):
            return name == provider
        case ("model", glob):
            return fnmatchcase(f"{provider}/{model}", glob) or fnmatchcase(model, glob)
        case _:
            return True


def _concerns_others(budget: Budget, provider: str) -> bool:
    """Whether models that the file does not name can fall under the budget."""
    match budget.scope:
        case ("provider", name):
            return name == provider
        case ("model", glob):
            of, slash, _ = glob.partition("/")
            return _WILD.search(glob) is not None and (not slash or fnmatchcase(provider, of))
        case _:
            return True


def test_names_nothing(facts: LintFacts) -> Iterator[Diagnostic]:
    """A test about something that is not declared would never mean what it says."""
    policies = {policy.id for policy in facts.config.policies}
    budgets = set(facts.names("budgets"))
    for index, test in enumerate(facts.config.tests):
        at: Path = ("tests", index)
        named: list[tuple[object, set[str], Path]] = [
            (test.given.key, set(facts.names("keys")), (*at, "given", "key")),
            (
                test.expect.deny,
                policies | budgets | {"key", "ip_filter", "model"},
                (*at, "expect", "deny"),
            ),
        ]
        named += [(name, budgets, (*at, "given", "spent", name)) for name in test.given.spent]
        for name, known, path in named:
            if facts.complete and isinstance(name, str) and name not in known:
                yield error(
                    "OR731",
                    facts.value_mark(path),
                    f'"{name}" is not declared',
                    path=path,
                    hint=suggest(name, known),
                )
