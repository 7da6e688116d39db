"""`omniroute route`: which way a request would go, and why, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import click
import orjson
from msgspec import Struct

from omniroute.admission.gate import compile_admission, decide
from omniroute.admission.policy import context_of
from omniroute.admission.values import Admit, Caller, Refuse, RequestFacts
from omniroute.cli.options import config_option, load_config, style
from omniroute.config.model import Config, Mark
from omniroute.config.schema import suggest
from omniroute.errors import RequestError, UsageError
from omniroute.routing.explain import Explained, explain
from omniroute.routing.index import compile_index
from omniroute.routing.live import LiveState
from omniroute.routing.plan import Plan, RouteFacts, plan
from omniroute.routing.resolve import resolve
from omniroute.routing.values import Branch, Resolved

_SPENT_LATER: Final = 1000  # expected output where nobody says how long an answer may be


class _Asked(Struct, frozen=True, kw_only=True):
    model: str
    caller: Caller
    now: datetime
    tokens: int
    needs: frozenset[str]
    seed: int
    session: str | None


class _Way(Struct, frozen=True, kw_only=True):
    """What was decided, up to the plan."""

    plan: Plan
    policies: tuple[tuple[str, str, Mark | None], ...]
    steps: tuple[Explained, ...]


@click.command("route")
@click.argument("model")
@config_option
@click.option("--key", "key_id", metavar="ID", help="As this key: its models, tags and policies.")
@click.option("--at", "at", metavar="TIME", help="As of this instant, such as 2027-01-31T22:00Z.")
@click.option(
    "--tokens", type=click.IntRange(0), default=0, metavar="N", help="Input tokens, estimated."
)
@click.option("--tools", is_flag=True, help="The request uses tools.")
@click.option("--vision", is_flag=True, help="The request holds images.")
@click.option("--session", metavar="ID", help="The request belongs to a session.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="For strategies that draw at random."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the plan is written to standard output.",
)
def route_command(
    model: str,
    config: tuple[str, ...],
    key_id: str | None,
    at: str | None,
    tokens: int,
    session: str | None,
    seed: int,
    output: str,
    *,
    tools: bool,
    vision: bool,
) -> None:
    """Show the way that a request for MODEL would take, with the reason for every step.

    Needs no secrets, no network and no server: all connections count as healthy, and nobody has
    used them yet. Exits with 1 when the request would be refused.
    """
    loaded, now = load_config(config), _instant(at)
    needs = {"tools": tools, "vision": vision}
    asked = _Asked(
        model=model,
        caller=_caller(loaded, key_id, now),
        now=now,
        tokens=tokens,
        needs=frozenset(name for name, needed in needs.items() if needed),
        seed=seed,
        session=session,
    )
    way = _find(loaded, asked)
    if output == "json":
        click.echo(orjson.dumps(_json(way), option=orjson.OPT_INDENT_2))
    else:
        click.echo(_text(way), nl=False)


def _caller(config: Config, key_id: str | None, now: datetime) -> Caller:
    if key_id is None:
        return Caller(roles=frozenset({"inference"}))
    key = config.keys.get(key_id)
    if key is None:
        raise UsageError(f'there is no key "{key_id}"; {suggest(key_id, config.keys) or ""}')
    if key.disabled or (key.expires is not None and key.expires <= now):
        raise RequestError("authentication", f'the key "{key_id}" is disabled or has expired')
    return Caller(key_id=key_id, key=key, tags=key.tags, roles=frozenset(key.roles))


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is not an instant such as 2027-01-31T22:00Z") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _find(config: Config, asked: _Asked) -> _Way:
    """Resolve, decide and plan as a real request would. Raises RequestError with the reason."""
    index = compile_index(config)
    globs = asked.caller.key.models if asked.caller.key is not None else ()
    resolved = resolve(index, asked.model, globs)
    request = RequestFacts(
        caller=asked.caller,
        ip="127.0.0.1",
        path="/v1/chat/completions",
        format="openai-chat",
        model=resolved.id,
        requested=asked.model,
        input_tokens_estimate=asked.tokens,
    )
    decision = decide(compile_admission(config), request, asked.now)
    if isinstance(decision, Refuse):
        raise _refused(decision)
    if decision.model != resolved.id:
        resolved = resolve(index, decision.model)
    return _plan(asked, resolved, decision, request)


def _plan(asked: _Asked, resolved: Resolved, admit: Admit, request: RequestFacts) -> _Way:
    facts = RouteFacts(
        input_tokens=asked.tokens,
        output_tokens=_SPENT_LATER,
        needs=asked.needs,
        session=asked.session,
        key=asked.caller.key_id,
        document=context_of(request, resolved.id, asked.now),
    )
    rng = Random(asked.seed)  # noqa: S311 - the same plan for the same seed
    planned = plan(resolved, facts, LiveState(), now_s=0.0, rng=rng)
    return _Way(
        plan=planned,
        policies=tuple((one.policy, one.action, one.mark) for one in admit.decided),
        steps=explain(planned),
    )


def _refused(refusal: Refuse) -> RequestError:
    where = f" ({refusal.mark})" if refusal.mark is not None else ""
    message = f"refused by {refusal.decided_by}{where}: {refusal.error.message}"
    return RequestError(refusal.error.kind, message, status=refusal.error.status)


def _text(way: _Way) -> str:
    resolved = way.plan.resolved
    node = resolved.node
    lines = [style("place", resolved.requested)]
    lines += [f"  alias {hop.alias} {_place(hop.mark)}" for hop in resolved.via]
    lines += [f"  policy {name}: {action} {_place(mark)}" for name, action, mark in way.policies]
    if isinstance(node, Branch):
        combo = node.combo
        rules = ", ".join(combo.fallback_on) or "nothing"
        lines.append(
            f"  combo {combo.id} {_place(node.mark)} {combo.strategy}; falls back on {rules}; "
            f"at most {combo.max_attempts} attempts"
        )
    rows = [
        (f"{step.rank}.", f"{step.model} via {step.connection}", step.reason, _place(step.mark))
        for step in way.steps
    ]
    lines += _aligned(rows)
    if way.plan.excluded:
        lines.append("left out")
        excluded = way.plan.excluded
        lines += _aligned([("-", one.target, one.reason, _place(one.mark)) for one in excluded])
    return "\n".join(lines) + "\n"


def _aligned(rows: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(3)] if rows else []
    return [
        "  "
        + "  ".join((*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3])).rstrip()
        for row in rows
    ]


def _place(mark: Mark | None) -> str:
    return f"({mark})" if mark is not None else ""


def _json(way: _Way) -> dict[str, Any]:
    resolved = way.plan.resolved
    node = resolved.node
    return {
        "requested": resolved.requested,
        "resolved": resolved.id,
        "aliases": [{"name": hop.alias, "at": _where(hop.mark)} for hop in resolved.via],
        "policies": [
            {"id": name, "action": action, "at": _where(mark)}
            for name, action, mark in way.policies
        ],
        "strategy": node.combo.strategy if isinstance(node, Branch) else None,
        "fallback_on": list(way.plan.fallback_on),
        "max_attempts": way.plan.max_attempts,
        "candidates": [
            {
                "rank": step.rank,
                "model": step.model,
                "connection": step.connection,
                "path": list(step.path),
                "reason": step.reason,
                "at": _where(step.mark),
            }
            for step in way.steps
        ],
        "excluded": [
            {"target": one.target, "reason": one.reason, "at": _where(one.mark)}
            for one in way.plan.excluded
        ],
    }


def _where(mark: Mark | None) -> str | None:
    return str(mark) if mark is not None else None
