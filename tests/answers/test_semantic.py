"""The cache by meaning, through the running gateway: a question's number is its angle.

The upstream's vector of a text is the direction of the number in it, in degrees, so that 18 degrees
are just within the threshold of 0.95 and 19 are not; every chat gets another answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from omniroute.admission.cache import semantic_space
from omniroute.answers.cache import semantic_figures
from omniroute.ledger.record import RequestRecord, parse_line
from omniroute.state.embedded import EmbeddedValkey
from omniroute.worker.stores import STATE_ENV
from tests.chat import COMPLETION, DONE, STREAM_END, STREAM_HEAD, USAGE_EVENT, answer, delta
from tests.running import Gateway, running
from tests.scripted import CUT, HANG, Recorded, Script, ScriptedUpstream, scripted_upstream

EMBEDDING = "/v1/embeddings"
USAGE = {"prompt_tokens": 5, "total_tokens": 5}


def direction(text: str) -> list[float]:
    found = re.search(r"-?\d+(\.\d+)?", text)
    angle = math.radians(float(found[0]) if found else 0.0)
    return [math.cos(angle), math.sin(angle)]


def embedding(request: Recorded) -> Script:
    vector = direction(request.json()["input"])
    return [answer(200, {"data": [{"embedding": vector}], "usage": USAGE})]


class Lab:
    """What the upstream does; a test may put another `embed` in its place."""

    def __init__(self) -> None:
        self.embed: Callable[[Recorded], Script] = embedding
        self.numbers = count(1)

    def play(self, request: Recorded) -> Script:
        if request.target == EMBEDDING:
            return self.embed(request)
        said = f"answer {next(self.numbers)}"
        if request.json().get("stream"):
            first, rest = delta(said[:3]), delta(said[3:])
            return [STREAM_HEAD, first, rest, delta(finish="stop"), USAGE_EVENT, DONE, STREAM_END]
        choice = {**COMPLETION["choices"][0], "message": {"role": "assistant", "content": said}}
        return [answer(200, {**COMPLETION, "choices": [choice]})]


class Cached:
    """A gateway in front of a lab."""

    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream, lab: Lab) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.lab = lab

    async def post(self, body: dict[str, Any], key: str = "a", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.gateway.client.post(
            "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}", **named}
        )

    async def ask(self, text: str, key: str = "a", **more: Any) -> tuple[str | None, str]:
        """(HIT or MISS, the answer's text)."""
        reply = await self.post(question(text, **more), key)
        assert reply.status_code == 200, reply.text
        content = reply.json()["choices"][0]["message"]["content"]
        return reply.headers.get("x-omniroute-cache"), content

    def embedded(self) -> int:
        return sum(request.target == EMBEDDING for request in self.upstream.requests)

    def records(self) -> list[RequestRecord]:
        lines = [
            line
            for path in sorted((self.gateway.folder / "data" / "spool").rglob("*"))
            if path.is_file()
            for line in path.read_bytes().splitlines()
            if line.startswith(b"{")
        ]
        return [parse_line(line) for line in lines]


def question(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": "lab/m", "temperature": 0, "messages": messages, **more}


def config(url: str, *, scope: str = "key", semantic: str = "", more: str = "") -> str:
    def hashed(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    return f"""
version: 1
providers:
  lab:
    format: openai-chat
    base_url: {url}/v1
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:LAB_KEY:-lab-credential}}"}}}}
    models:
      m: {{price: {{input: 2, output: 8}}}}
      n: {{price: {{input: 2, output: 8}}}}
      small: {{kind: embedding, price: {{input: 10, output: 0}}}}
auth: {{require_api_key: true}}
keys:
  a: {{hash: "sha256:{hashed("a")}", tags: {{team: x}}}}
  b: {{hash: "sha256:{hashed("b")}", tags: {{team: x}}}}
  c: {{hash: "sha256:{hashed("c")}", tags: {{team: y}}, roles: [inference, admin]}}
cache:
  semantic: {{enabled: true, embedding_model: lab/small, threshold: 0.95{semantic}}}
  scope: {scope}
{more}
"""


@asynccontextmanager
async def caching(folder: Path, **settings: str) -> AsyncGenerator[Cached]:
    lab = Lab()
    async with (
        scripted_upstream(lab.play) as upstream,
        running(folder, config(upstream.url, **settings)) as gateway,
    ):
        yield Cached(gateway, upstream, lab)


OPT_IN = "policies: [{id: all, action: set, values: {cache: true}}]\n"


async def test_what_is_near_enough_shares_an_answer(tmp_path: Path) -> None:
    async with caching(tmp_path) as cached:
        assert await cached.ask("turn 0") == ("MISS", "answer 1")
        assert await cached.ask("turn it by 18") == ("HIT", "answer 1")
        assert await cached.ask("turn 19") == ("MISS", "answer 2")
        # Nearest first, not the one that was kept first.
        assert await cached.ask("turn 12") == ("HIT", "answer 2")
        reply = await cached.post(question("turn 1"), "a")
        assert reply.headers["x-omniroute-cache-tier"] == "semantic"
        assert "x-omniroute-cache-similarity" not in reply.headers


async def test_only_admins_see_how_near_it_was(tmp_path: Path) -> None:
    async with caching(tmp_path) as cached:
        await cached.ask("turn 0", "c")
        reply = await cached.post(question("turn 10"), "c")
        assert reply.headers["x-omniroute-cache-similarity"] == "0.9848"


@pytest.mark.parametrize(
    ("scope", "shared"), [("key", "a"), ("tag", "ab"), ("global", "abc")], ids=str
)
async def test_nothing_is_served_across_a_scope(tmp_path: Path, scope: str, shared: str) -> None:
    async with caching(tmp_path, scope=scope) as cached:
        await cached.ask("turn 0", "a")
        hits = [key for key in "abc" if (await cached.ask("turn 1", key))[0] == "HIT"]
        assert "".join(hits) == shared


@pytest.mark.parametrize(
    "other",
    [
        {"model": "lab/n"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"max_tokens": 7},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "turn 0"}]},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_all_but_the_last_text_must_be_equal(tmp_path: Path, other: dict[str, Any]) -> None:
    async with caching(tmp_path, scope="global") as cached:
        await cached.ask("turn 0")
        body = {**question("turn 0"), **other}
        assert (await cached.post(body)).headers["x-omniroute-cache"] == "MISS"
        assert (await cached.post(body)).headers["x-omniroute-cache"] == "HIT"


async def test_the_rules_of_the_exact_tier_hold(tmp_path: Path) -> None:
    async with caching(tmp_path) as cached:
        await cached.ask("turn 0")
        assert (
            "x-omniroute-cache"
            not in (await cached.post(question("turn 0"), x_omniroute_no_cache="true")).headers
        )
        assert (await cached.ask("turn 0", temperature=1))[0] is None
        assert (await cached.post(question("turn 0", stream=True))).headers.get(
            "x-omniroute-cache"
        ) is None
        assert cached.embedded() == 1


async def test_an_equal_question_is_not_embedded(tmp_path: Path) -> None:
    async with caching(tmp_path, semantic="}\n  exact: {enabled: true") as cached:
        await cached.ask("turn 0")
        reply = await cached.post(question("turn 0"))
        tier = reply.headers["x-omniroute-cache-tier"]
        assert (tier, cached.embedded()) == ("exact", 1)


async def test_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    async with caching(tmp_path, semantic=", max_entries: 2") as cached:
        await cached.ask("turn 0")
        await cached.ask("turn 90")
        assert await cached.ask("turn 1") == ("HIT", "answer 1")
        await cached.ask("turn 180")
        assert await cached.ask("turn 2") == ("HIT", "answer 1")
        assert (await cached.ask("turn 91"))[0] == "MISS"
        runtime = cached.gateway.runtime
        figures = await semantic_figures(runtime.snapshot.config, runtime.store, runtime.semantic)
        assert (figures.memory_size, figures.memory_max_size, figures.db_size) == (2, 2, 2)
        assert (figures.hits, figures.misses, figures.hit_rate) == (2, 4, 0.3333)
        admin = {"authorization": "Bearer c"}
        reply = await cached.gateway.client.get("/api/cache", headers=admin)
        assert reply.json()["semanticCache"] == {
            "tier": "semantic",
            "memorySize": 2,
            "memoryMaxSize": 2,
            "dbSize": 2,
            "hits": 2,
            "misses": 4,
            "evictions": figures.evictions,
            "hitRate": 0.3333,
        }
        assert reply.json()["exactCache"]["size"] == 0


async def test_an_answer_ends_with_its_time(tmp_path: Path) -> None:
    async with caching(tmp_path, semantic=", ttl: 1ms") as cached:
        await cached.ask("turn 0")
        assert (await cached.ask("turn 0"))[0] == "MISS"


async def test_answers_survive_a_restart(tmp_path: Path) -> None:
    lab = Lab()
    async with scripted_upstream(lab.play) as upstream:
        for outcome in (("MISS", "answer 1"), ("HIT", "answer 1")):
            async with running(tmp_path, config(upstream.url)) as gateway:
                assert await Cached(gateway, upstream, lab).ask("turn 3") == outcome


def failing(_: Recorded) -> Script:
    return [answer(500, {"error": {"message": "no"}})]


def hanging(_: Recorded) -> Script:
    return [HANG]


def nonsense(_: Recorded) -> Script:
    return [answer(200, {"data": []})]


@pytest.mark.parametrize("embed", [failing, hanging, nonsense], ids=lambda embed: embed.__name__)
async def test_a_request_never_fails_for_its_vector(
    tmp_path: Path, embed: Callable[[Recorded], Script], caplog: pytest.LogCaptureFixture
) -> None:
    # Long enough that each question reaches the provider before it is given up.
    async with caching(tmp_path, semantic=", timeout: 1s") as cached:
        cached.lab.embed = embed
        answers = await asyncio.gather(*(cached.ask(f"turn {n}") for n in range(4)))
        assert {outcome for outcome, _ in answers} == {"MISS"}
        assert len({text for _, text in answers}) == 4
        asked = cached.embedded()
        assert await cached.ask("turn 9") == ("MISS", "answer 5")
        assert cached.embedded() == asked  # it rests for a while
        said = [one for one in caplog.messages if one.startswith("requests go on without")]
        assert len(said) == 1
        reply = await cached.gateway.client.get("/metrics", headers={"authorization": "Bearer c"})
        found = re.findall(
            r"^omniroute_cache_embedding_failures_total\S* (\S+)$", reply.text, re.MULTILINE
        )
        assert sum(map(float, found)) == asked


async def test_a_text_that_is_refused_does_not_stop_the_others(tmp_path: Path) -> None:
    def picky(request: Recorded) -> Script:
        if "odd" in request.json()["input"]:
            return [answer(400, {"error": {"message": "too odd"}})]
        return embedding(request)

    async with caching(tmp_path) as cached:
        cached.lab.embed = picky
        assert (await cached.ask("odd 0"))[0] == "MISS"
        assert (await cached.ask("turn 0"))[0] == "MISS"
        assert (await cached.ask("turn 1"))[0] == "HIT"


async def test_a_vector_has_a_record_and_counts_against_budgets(tmp_path: Path) -> None:
    budget = "budgets: {all: {scope: global, limit: 1, period: daily}}\n"
    async with caching(tmp_path, more=budget) as cached:
        await cached.ask("turn 0")
        await cached.ask("turn 1")
        runtime = cached.gateway.runtime
        records = {record.request_id: record for record in cached.records()}
        chats = [record for record in records.values() if record.kind == "chat"]
        vectors = [record for record in records.values() if record.kind == "embedding"]
        assert [one.cost_nanousd for one in vectors] == [50_000, 50_000]
        assert {one.request_id for one in vectors} == {
            f"{one.request_id}-embedding" for one in chats
        }
        assert {(one.key, one.upstream_model, one.input_uncached) for one in vectors} == {
            ("a", "small", 5)
        }
        assert sorted((one.cache, one.decided_by) for one in chats) == [
            ("hit", "cache.semantic"),
            ("miss", None),
        ]
        meter = runtime.snapshot.admission.book.meters["all"]
        (balance,) = await runtime.store.balances((meter.counter(runtime.clock.now()),))
        paid = sum(one.cost_nanousd or 0 for one in records.values())
        assert (balance.spent_nanousd, balance.reserved_nanousd) == (paid, 0)


@pytest.mark.parametrize(
    "script",
    [[answer(500, {"error": {"message": "no"}})], [answer(200, {"data": []})], [CUT], [HANG]],
    ids=["refused", "no vector", "cut", "late"],
)
async def test_a_failed_embedding_gives_its_reservation_back(
    tmp_path: Path, script: Script
) -> None:
    budget = "budgets: {all: {scope: global, limit: 1, period: daily}}\n"
    async with caching(tmp_path, semantic=", timeout: 50ms", more=budget) as cached:
        cached.lab.embed = lambda _: script
        assert await cached.ask("turn 0") == ("MISS", "answer 1")
        runtime = cached.gateway.runtime
        assert sum(runtime.semantic.failures.values()) == 1
        paid = [one.cost_nanousd or 0 for one in cached.records() if one.kind == "chat"]
        meter = runtime.snapshot.admission.book.meters["all"]
        (balance,) = await runtime.store.balances((meter.counter(runtime.clock.now()),))
        assert (balance.spent_nanousd, balance.reserved_nanousd) == (sum(paid), 0)


async def test_an_openai_client_gets_either_delivery(tmp_path: Path) -> None:
    async with caching(tmp_path, more=OPT_IN) as cached:
        client = openai.AsyncOpenAI(base_url=f"{cached.gateway.url}/v1", api_key="a")
        said: list[str] = []
        for text, stream in (("0", True), ("1", True), ("2", False), ("90", False), ("91", True)):
            messages: Any = [{"role": "user", "content": f"turn {text}"}]
            if stream:
                chunks = await client.chat.completions.create(
                    model="lab/m",
                    messages=messages,
                    stream=True,
                    stream_options={"include_usage": True},
                )
                parts = [chunk async for chunk in chunks]
                usage = parts[-1].usage
                content = "".join(
                    part.choices[0].delta.content or "" for part in parts if part.choices
                )
            else:
                whole = await client.chat.completions.create(model="lab/m", messages=messages)
                usage, content = whole.usage, whole.choices[0].message.content or ""
            assert usage is not None
            said.append(f"{content}, {usage.total_tokens}")
        assert said == ["answer 1, 14"] * 3 + ["answer 2, 14"] * 2
        await client.close()


async def test_an_anthropic_client_gets_either_delivery(tmp_path: Path) -> None:
    async with caching(tmp_path, more=OPT_IN) as cached:
        client = anthropic.AsyncAnthropic(base_url=cached.gateway.url, api_key="a")
        said: list[str] = []
        for text, stream in (("0", False), ("1", True), ("90", True), ("91", False), ("92", True)):
            messages: Any = [{"role": "user", "content": f"turn {text}"}]
            if stream:
                async with client.messages.stream(
                    model="lab/m", max_tokens=50, messages=messages
                ) as events:
                    message = await events.get_final_message()
            else:
                message = await client.messages.create(
                    model="lab/m", max_tokens=50, messages=messages
                )
            assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 4)
            said += [block.text for block in message.content if block.type == "text"]
        assert said == ["answer 1"] * 2 + ["answer 2"] * 3
        await client.close()


@pytest.fixture(scope="module")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.close()


async def test_workers_learn_from_one_another(
    tmp_path: Path, valkey_server: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_ENV, valkey_server.url)
    lab = Lab()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with scripted_upstream(lab.play) as upstream:
        text = config(upstream.url)
        async with running(tmp_path / "one", text) as one, running(tmp_path / "two", text) as two:
            first, second = (Cached(gateway, upstream, lab) for gateway in (one, two))
            assert await first.ask("turn 0") == ("MISS", "answer 1")
            assert await second.ask("turn 1") == ("HIT", "answer 1")
            assert len(two.runtime.semantic.vectors) == 1
            # What the store has lost is not served from an index.
            settings = one.runtime.snapshot.config.cache.semantic
            await one.runtime.store.clear(semantic_space(settings))
            assert (await second.ask("turn 1"))[0] == "MISS"
