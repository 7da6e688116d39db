"""`omniroute test`, `omniroute route` and the server name the same candidates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from omniroute.active.snapshot import Surroundings, compile_snapshot
from omniroute.active.tables import read_tables
from omniroute.admission.values import Caller
from omniroute.base.heavy import Heavy
from omniroute.catalog.tokens import estimate_request
from omniroute.cli.main import cli
from omniroute.config.model import Config
from omniroute.decision.decide import admit
from omniroute.decision.testing import Given, Stage, rehearse
from omniroute.decision.values import Admitted, Inquiry, Routed, World
from omniroute.errors import RequestError
from omniroute.gateway.reservations import Reservations
from omniroute.gateway.reserve import ReroutedError, reserve, reserve_target
from omniroute.gateway.understand import admit as admit_request
from omniroute.gateway.understand import understand
from omniroute.request.inbound import Inbound
from omniroute.request.keepalive import KeepAlive
from omniroute.request.request import Request
from omniroute.request.services import Services
from omniroute.request.unasked import Unasked
from omniroute.routing.attempts import Attempts, GiveUp, Try, Wait
from omniroute.routing.live import LiveState
from omniroute.routing.resolve import list_models
from omniroute.state.memory import MemoryStore
from omniroute.translation.registry import load_formats
from omniroute.translation.values import Formats
from omniroute.upstream.pool import TransportPool
from tests.clock import ManualClock
from tests.routing.configs import check_text

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SECRET = "sk-agreement-0123456789"  # noqa: S105 - of this test alone
STRATEGIES = (
    "priority",
    "weighted",
    "round-robin",
    "random",
    "least-used",
    "cost-optimized",
    "context-optimized",
    "p2c",
    "auto",
)
CONDITIONS = (
    "request.stream == `false`",
    "tags.team == 'web'",
    "request.headers.tier == 'gold'",
    "usage.input_tokens_estimate > `20`",
    "request.max_output_tokens > `100`",
    "now.hour >= `9`",
    "request.model == 'smart'",
)
MODELS = ("a/small", "a/large", "b/small", "b/undeclared", "c/large")
NAMES = (*MODELS, "small", "large", "fast", "best", "smart", "outer", "missing")


@cache
def formats() -> Formats:
    return load_formats(dict(read_tables()))


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    def model() -> dict[str, Any]:
        made: dict[str, Any] = {}
        if draw(st.booleans()):
            made["capabilities"] = draw(st.lists(st.sampled_from(("tools", "vision")), unique=True))
        if draw(st.booleans()):
            made["context_window"] = draw(st.sampled_from((10, 1000)))
        if draw(st.booleans()):
            made["price"] = {"input": draw(st.integers(1, 9)), "output": draw(st.integers(1, 99))}
        return made

    def targets(of: tuple[str, ...]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for name in draw(st.lists(st.sampled_from(of), min_size=1, max_size=3, unique=True)):
            row: dict[str, Any] = {"model": name, "weight": draw(st.integers(1, 3))}
            if draw(st.booleans()):
                row["when"] = draw(st.sampled_from(CONDITIONS))
            rows.append(row)
        return rows

    def combo(of: tuple[str, ...]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "strategy": draw(st.sampled_from(STRATEGIES)),
            "targets": targets(of),
            "fallback_on": ["429", "5xx", "timeout", "connection", "budget"],
        }
        if draw(st.booleans()):
            made["sticky"] = {"by": "session", "ttl": "5m"}
        return made

    def policy(number: int) -> dict[str, Any]:
        made: dict[str, Any] = {"id": f"p{number}", "action": draw(st.sampled_from(ACTIONS))}
        if draw(st.booleans()):
            made["when"] = draw(st.sampled_from(CONDITIONS))
        match made["action"]:
            case "route":
                made["to"] = draw(st.sampled_from(("a/large", "smart", "c/large")))
            case "set":
                made["values"] = {"reasoning.effort": "'high'"}
            case "require":
                made["require"] = draw(st.sampled_from(CONDITIONS))
            case _:
                pass
        return made

    def budget(scope: Any) -> dict[str, Any]:
        made: dict[str, Any] = {"scope": scope, "limit": 1, "period": "daily"}
        made["action"] = draw(st.sampled_from(("reject", "warn", "degrade")))
        if made["action"] == "degrade":
            made["degrade_to"] = draw(st.sampled_from(("b/small", "c/large")))
        if draw(st.booleans()):
            made["unpriced"] = "allow"
        return made

    connections: dict[str, Any] = {"main": {}}
    if draw(st.booleans()):
        connections["spare"] = {"priority": 2}
    key: dict[str, Any] = {"hash": "sha256:" + hashlib.sha256(SECRET.encode()).hexdigest()}
    key["models"] = draw(
        st.lists(st.sampled_from((*NAMES[:-1], "a/*", "b/s*", "*")), max_size=3, unique=True)
    )
    key["tags"] = {"team": draw(st.sampled_from(("web", "lab")))}
    scopes = draw(
        st.lists(
            st.sampled_from(SCOPES),
            max_size=2,
            unique_by=str,
        )
    )
    return {
        "providers": {
            "a": {
                **PLACE,
                "connections": connections,
                "models": {"small": model(), "large": model()},
            },
            "b": {**PLACE, "connections": {"main": {}}, "models": {"small": model()}},
            "c": {**PLACE, "connections": {"main": {}}, "models": {"large": model()}},
        },
        "aliases": {"fast": draw(st.sampled_from(MODELS)), "best": "smart"},
        "combos": {"smart": combo(MODELS), "outer": combo(("smart", "c/large", "a/small"))},
        "policies": [policy(number) for number in range(draw(st.integers(0, 2)))],
        "budgets": {f"b{number}": budget(scope) for number, scope in enumerate(scopes)},
        "auth": {"require_api_key": False},
        "keys": {"k": key},
    }


SCOPES: tuple[Any, ...] = (
    "global",
    {"key": "k"},
    {"tag": {"team": "web"}},
    {"provider": "a"},
    {"model": "b/*"},
)
ACTIONS = ("deny", "require", "route", "set", "warn")
PLACE = {"format": "openai-chat", "base_url": "https://x.example/v1"}

requests = st.fixed_dictionaries(
    {
        "model": st.sampled_from(NAMES),
        "key": st.sampled_from(("k", None)),
        "stream": st.booleans(),
        "tools": st.booleans(),
        "vision": st.booleans(),
        "headers": st.sampled_from(({}, {"tier": "gold"})),
        "max_tokens": st.sampled_from((None, 50, 500)),
        "session": st.sampled_from((None, "s1")),
        "words": st.integers(1, 60),
        "spent": st.dictionaries(st.sampled_from(("b0", "b1")), st.sampled_from((0.5, 1.5))),
    }
)


def body_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    content: Any = "word " * asked["words"]
    if asked["vision"]:
        picture = {"type": "image_url", "image_url": {"url": "https://x.example/p.png"}}
        content = [{"type": "text", "text": content}, picture]
    body: dict[str, Any] = {
        "model": asked["model"],
        "messages": [{"role": "user", "content": content}],
        "stream": asked["stream"],
    }
    if asked["tools"]:
        body["tools"] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    if asked["max_tokens"] is not None:
        body["max_tokens"] = asked["max_tokens"]
    return body


async def served(config: Config, asked: Mapping[str, Any]) -> tuple[list[str], set[str | None]]:
    """Candidates from the first that would be sent to, and who refused or why."""
    snapshot = compile_snapshot(
        config,
        formats(),
        digest="d",
        around=Surroundings(env=lambda name: None, read_file=lambda path: b""),
    )
    clock = ManualClock(AT)
    store = MemoryStore(None, clock)
    for name, dollars in asked["spent"].items():
        meter = snapshot.admission.book.meters.get(name)
        if meter is not None:
            counter = {meter.counter(AT): round(dollars * 1e9)}
            await store.restore(counter, expires_at_s=meter.expires_at_s(AT), overwrite=True)
    services = Services(
        transports=TransportPool(),
        live=LiveState(),
        heavy=Heavy(),
        alive=KeepAlive(),
        unasked=Unasked(),
        store=store,
        append=lambda record: True,
        notify=lambda event: None,
        skipped=lambda provider, frames: None,
        clock=clock,
        rng=Random(0),  # noqa: S311 - the same draws as on paper
    )
    headers = dict(asked["headers"])
    if asked["session"] is not None:
        headers[config.usage.session.header.lower()] = asked["session"]
    request = Request(
        services,
        snapshot,
        Inbound(
            request_id="r",
            path="/v1/chat/completions",
            format="openai-chat",
            body=orjson.dumps(body_of(asked)),
            headers=headers,
            key=SECRET if asked["key"] == "k" else None,
        ),
    )
    world = Stage(config).world()
    try:
        admitted = admit_request(request, world, await understand(request))
        reservations = Reservations.of(request, admitted.admit)
        after = None
        while True:
            routed, attempts = await reserve(request, world, admitted, reservations, after=after)
            try:
                return await _first(request, world, routed, attempts, reservations), set()
            except ReroutedError as rerouted:
                after = rerouted.admit
    except RequestError as error:
        decided = (request.record.decided_by or "").partition(" ")[0]  # who rerouted, too
        return [], {decided, error.code, error.kind} - {None, ""}


async def _first(
    request: Request,
    world: World,
    routed: Routed,
    attempts: Attempts,
    reservations: Reservations | None,
) -> list[str]:
    passed = set[str]()
    now_s = request.now_s()
    while True:
        match attempts.next(now_s):
            case Try(candidate):
                if reservations is not None:
                    spent = await reserve_target(request, world, routed, candidate, reservations)
                    if spent is not None:
                        passed.add(candidate.key)
                        attempts.refused(spent, now_s)
                        continue
                plan = attempts.plan
                every = (*plan.candidates, *plan.resting)
                return [one.key for one in every if one.key not in passed]
            case Wait(seconds):
                now_s += seconds
            case GiveUp(error):
                raise error


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(written=configurations(), asked=requests)
async def test_three_ways_name_the_same_candidates(
    written: dict[str, Any], asked: dict[str, Any]
) -> None:
    text = json.dumps(written)
    config = check_text(text).config
    assume(config is not None)  # check's own tests tell what it refuses
    assert config is not None
    candidates, refused_by = await served(config, asked)
    tokens = estimate_request(body_of(asked))
    spent = {name: value for name, value in asked["spent"].items() if name in config.budgets}
    named = Given(
        model=asked["model"],
        key=asked["key"],
        stream=asked["stream"],
        tools=asked["tools"],
        vision=asked["vision"],
        session=asked["session"],
        headers=asked["headers"],
        input_tokens=tokens,
        max_tokens=asked["max_tokens"],
        spent=spent,
    )
    outcome = rehearse(Stage(config), named, AT)
    assert [candidate.key for candidate in outcome.candidates] == candidates
    assert bool(refused_by) is (outcome.refusal is not None)
    if outcome.refusal is not None:
        told = outcome.refusal.error
        assert refused_by & {outcome.refusal.decided_by, told.code or told.kind}
    if not spent:
        assert shown(text, asked, tokens) == candidates


def shown(text: str, asked: Mapping[str, Any], tokens: int) -> list[str]:
    """What `omniroute route` writes."""
    args = ["--at", AT.isoformat(), "--format", "json", "--tokens", str(tokens)]
    for name in ("stream", "tools", "vision"):
        args += [f"--{name}"] if asked[name] else []
    for name, value in asked["headers"].items():
        args += ["--header", f"{name}={value}"]
    for name, option in (
        ("key", "--key"),
        ("session", "--session"),
        ("max_tokens", "--max-tokens"),
    ):
        args += [option, str(asked[name])] if asked[name] is not None else []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "omniroute.yaml"
        file.write_text(text)
        result = CliRunner().invoke(cli, ["route", asked["model"], "-c", str(file), *args])
    if result.exception is not None:
        assert isinstance(result.exception, RequestError), result.exception
        return []
    rows = json.loads(result.stdout)["candidates"]
    return [
        f"{row['model'].split('/')[0]}/{row['connection']}/{row['model'].split('/', 1)[1]}"
        for row in rows
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(written=configurations())
def test_what_the_list_shows_the_globs_never_refuse(written: dict[str, Any]) -> None:
    config = check_text(json.dumps({**written, "policies": [], "budgets": {}})).config
    if config is None:
        return
    world = Stage(config).world()
    caller = world.admission.keys.by_id("k", AT)
    assert isinstance(caller, Caller)
    key = config.keys["k"]
    for row in list_models(world.index, key.models):
        admitted = admit(world, Inquiry(caller=caller, model=row.id), AT)
        assert isinstance(admitted, Admitted), (row.id, key.models)


@pytest.mark.parametrize("name", ["fast", "lab/small"])
def test_a_bare_name_in_a_keys_models_lets_every_name_of_it_in(name: str) -> None:
    text = """
providers: {lab: {format: openai-chat, base_url: "https://x.example/v1", models: {small: {}}}}
aliases: {fast: lab/small}
keys: {k: {hash: "sha256:%s", models: [small]}}
auth: {require_api_key: true}
"""
    config = check_text(text % hashlib.sha256(SECRET.encode()).hexdigest()).config
    assert config is not None
    outcome = rehearse(Stage(config), Given(model=name, key="k"), AT)
    assert outcome.refusal is None
    assert [candidate.model for candidate in outcome.candidates] == ["lab/small"]
