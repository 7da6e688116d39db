"""`omniroute route`: which way a request would go, and why, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import click
import orjson
from msgspec import Struct

from omniroute.admission.values import Refuse
from omniroute.cli import completing
from omniroute.cli.options import config_option, load_config, style
from omniroute.cli.tabular import aligned, window
from omniroute.config.model import Mark
from omniroute.config.schema import suggest
from omniroute.decision.offline import Outcome
from omniroute.decision.testing import Given, Stage, rehearse
from omniroute.errors import RequestError, UsageError
from omniroute.routing.explain import Explained, explain
from omniroute.routing.plan import Plan
from omniroute.routing.values import Branch

_INDENT: Final = "  "


@click.command("route")
@click.argument("model", shell_complete=completing.models)
@config_option
@click.option(
    "--key",
    "key_id",
    metavar="ID",
    shell_complete=completing.keys,
    help="As this key: its models, tags and policies.",
)
@click.option("--at", "at", metavar="TIME", help="As of this instant, such as 2027-01-31T22:00Z.")
@click.option(
    "--tokens", type=click.IntRange(0), default=0, metavar="N", help="Input tokens, estimated."
)
@click.option("--tools", is_flag=True, help="The request uses tools.")
@click.option("--vision", is_flag=True, help="The request holds images.")
@click.option("--stream", is_flag=True, help="The answer is to be streamed.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="The client's own bound.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header; repeatable."
)
@click.option(
    "--provider",
    metavar="ID",
    shell_complete=completing.providers,
    help="As at /v1/providers/ID/…: this provider alone.",
)
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
    max_tokens: int | None,
    headers: tuple[str, ...],
    provider: str | None,
    session: str | None,
    seed: int,
    output: str,
    *,
    tools: bool,
    vision: bool,
    stream: bool,
) -> None:
    """Show the way that a request for MODEL would take, with the reason for every step.

    Needs no secrets, no network and no server: all connections count as healthy, and nobody has
    used them yet. Exits with 1 when the request would be refused.
    """
    loaded, now = load_config(config), _instant(at)
    if key_id is not None and key_id not in loaded.keys:
        raise UsageError(f'there is no key "{key_id}"; {suggest(key_id, loaded.keys) or ""}')
    given = Given(
        model=model,
        key=key_id,
        provider=provider,
        stream=stream,
        tools=tools,
        vision=vision,
        session=session,
        headers=dict(_header(text) for text in headers),
        input_tokens=tokens,
        max_tokens=max_tokens,
    )
    way = _way(rehearse(Stage(loaded), given, now, seed=seed))
    if output == "json":
        click.echo(orjson.dumps(_json(way), option=orjson.OPT_INDENT_2))
    else:
        click.echo(_text(way), nl=False)


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--header takes NAME=VALUE, not {text}")
    return name, value


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is not an instant such as 2027-01-31T22:00Z") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


class _Way(Struct, frozen=True, kw_only=True):
    """What was decided, up to the plan."""

    plan: Plan
    policies: tuple[tuple[str, str, Mark | None], ...]
    steps: tuple[Explained, ...]


def _way(outcome: Outcome) -> _Way:
    """Raises RequestError with the reason when the request would be refused."""
    if outcome.refusal is not None:
        if outcome.refusal.decided_by in ("model", "routing"):
            raise outcome.refusal.error
        raise _refused(outcome.refusal)
    routed = outcome.routed
    assert routed is not None  # noqa: S101 - what is not refused is routed
    return _Way(
        plan=routed.plan,
        policies=tuple((one.policy, one.action, one.mark) for one in routed.admit.decided),
        steps=explain(routed.plan),
    )


def _refused(refusal: Refuse) -> RequestError:
    where = f" ({refusal.mark})" if refusal.mark is not None else ""
    error = refusal.error
    advice = "; --key ID asks as one of its keys" if error.code == "missing_api_key" else ""
    message = f"refused by {refusal.decided_by}{where}: {error.message}{advice}"
    return RequestError(error.kind, message, status=error.status)


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
    lines += _indented(rows)
    if way.plan.excluded:
        lines.append("left out")
        excluded = way.plan.excluded
        lines += _indented([("-", one.target, one.reason, _place(one.mark)) for one in excluded])
    return "\n".join(lines) + "\n"


def _indented(rows: list[tuple[str, str, str, str]]) -> list[str]:
    width = window()
    text = aligned(rows, None if width is None else width - len(_INDENT))
    return [_INDENT + line for line in text.splitlines()]


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
