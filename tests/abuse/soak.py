"""A gateway under mixed load for minutes: what it holds must not grow with what it has served."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from msgspec import Struct

from omniroute.routing.live import MAX_MODELS, MAX_SESSIONS
from omniroute.state.kept import RESPONSES
from tests.abuse.attack import (
    BOUND_S,
    MB,
    Verdict,
    address_of,
    ask,
    chat,
    metric,
    request_bytes,
    usage_of,
)
from tests.abuse.shapes import CHAT
from tests.running import Served, served

CLIENTS: Final = 4
EVERY_S: Final = 1.0
SAID_EVERY: Final = 10
"""Samples of which one is told."""
NAMES: Final = max(MAX_MODELS, MAX_SESSIONS, RESPONSES.max_entries)
"""What is kept by names of the clients' own is filled to its bounds before anything is judged."""
LENGTHS: Final = (1, 20, 200, 900)
"""Of those names, about: up to what a name may have."""
WARM: Final = 0.2
"""Of the time, by which nothing is judged: arenas and pools, and code that runs first."""
LEAVES: Final = 0.1
"""Of the requests, whose clients go before the end."""
BEHIND: Final = """
version: 1
aliases: {"*": echo/echo}
providers:
  echo: {preset: echo}
"""
"""A second gateway is the provider: it takes any model."""
CONFIG: Final = """
version: 1
auth: {{dashboard: {{require_login: false}}}}
providers:
  echo: {{preset: echo}}
  behind:
    format: openai-chat
    base_url: {url}/v1
    allow_private_network: true
    balance: round-robin
    connections: {{one: {{}}, two: {{}}}}
combos:
  mixed: {{strategy: round-robin, sticky: {{by: session, ttl: 1h}}, targets: [echo/echo, behind/m]}}
cache: {{exact: {{enabled: true, max_bytes: 4MiB}}}}
policies:
  - {{id: polite, action: limit, limit: {{requests: 100000/s}}, per: ip}}
"""


class Sample(Struct, frozen=True, kw_only=True):
    """Of the server's processes, so many seconds after the start."""

    at_s: float
    requests: int
    rss_mb: float
    descriptors: int
    tasks: int
    spool_mb: float

    def __str__(self) -> str:
        return (
            f"{self.at_s:6.0f} s  {self.requests:7} requests  {self.rss_mb:6.1f} MB  "
            f"{self.descriptors:3} descriptors  {self.tasks:3} tasks  {self.spool_mb:5.1f} MB spool"
        )


def fill(gateway: Served) -> None:
    """Name a model, a session and an answer that is kept, each time others."""
    numbers = iter(range(NAMES))

    def ask_on() -> None:
        client = http.client.HTTPConnection(*address_of(gateway), timeout=BOUND_S)
        for number in numbers:  # shared: a range gives each number to one of them
            name = f"{number}-" + "f" * LENGTHS[number % len(LENGTHS)]
            for path, body in (
                (CHAT, chat(model=f"behind/{name}")),
                (CHAT, chat(model="mixed", user=name)),
                ("/v1/responses", {"model": "echo", "input": "hi"}),
            ):
                client.request("POST", path, body=json.dumps(body))
                client.getresponse().read()
        client.close()

    threads = [threading.Thread(target=ask_on) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Growth(Struct, frozen=True):
    """How much one figure may rise: by the hour, and at all, as what no short run can tell."""

    per_hour: float
    at_least: float
    of: Callable[[Sample], float]


BOUNDS: Final[Mapping[str, Growth]] = {
    "memory, MB": Growth(20, 6, lambda one: one.rss_mb),
    "descriptors": Growth(20, 4, lambda one: one.descriptors),
    "tasks": Growth(20, 4, lambda one: one.tasks),
    # It goes up to a segment's size and down again.
    "spool, MB": Growth(20, 10, lambda one: one.spool_mb),
}


class Client:
    """One of those who ask, in turn, for something of every kind, by names of its own."""

    def __init__(self, gateway: Served, number: int, numbers: Iterator[int]) -> None:
        self._gateway = gateway
        self._numbers = numbers
        self.rng = Random(number)  # noqa: S311 - a load that can be repeated, nothing to guess
        self.told: Counter[int] = Counter()

    def name(self) -> str:
        """One that nobody has used before, of any length that may be."""
        return f"n{next(self._numbers)}-" + "x" * self.rng.choice(LENGTHS)

    def text(self) -> str:
        return "word " * self.rng.choice((1, 50, 2000)) + str(self.rng.random())

    def streams(self) -> bool:
        return self.rng.random() < 0.5

    def turn(self) -> None:
        path, body, headers = self.rng.choice(MIX)(self)
        if body is not None and self.rng.random() < LEAVES:
            self._leave(request_bytes(path, body, headers))
            return
        self.told[ask(self._gateway, path, body, headers).status] += 1

    def _leave(self, sent: bytes) -> None:
        """Go while the request is sent, or while the answer comes."""
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection(address_of(self._gateway), timeout=BOUND_S) as sock,
        ):
            if self.rng.random() < 0.5:
                sock.sendall(sent[: self.rng.randrange(len(sent))])
            else:
                sock.sendall(sent)
                sock.recv(50)


Asked = tuple[str, object, Mapping[str, str]]
"""Path, body and headers; no body for what is only read."""


def _chat(client: Client, **members: Any) -> Asked:
    said = [{"role": "user", "content": client.text()}]
    return CHAT, chat(**{"messages": said, "stream": client.streams(), **members}), {}


def _plain(client: Client) -> Asked:
    return _chat(client)


def _cached(client: Client) -> Asked:
    return _chat(client, stream=False, temperature=0)


def _model(client: Client) -> Asked:
    return _chat(client, model=f"behind/{client.name()}")


def _session(client: Client) -> Asked:
    return _chat(client, model="mixed", user=client.name())


def _field(client: Client) -> Asked:
    body = {"model": "echo", "input": client.text(), "store": False, client.name(): 1}
    return "/v1/responses", body, {}


def _stored(client: Client) -> Asked:
    return "/v1/responses", {"model": "behind/m", "input": "hi"}, {}


def _repeat(client: Client) -> Asked:
    path, body, _ = _chat(client)
    return path, body, {"idempotency-key": client.name()[:200]}


def _messages(client: Client) -> Asked:
    said = [{"role": "user", "content": client.text()}]
    body = {"model": "mixed", "max_tokens": 99, "messages": said, "stream": client.streams()}
    return "/v1/messages", body, {"x-session-id": client.name()}


def _gemini(client: Client) -> Asked:
    verb = client.rng.choice(("generateContent", "streamGenerateContent"))
    body = {"contents": [{"role": "user", "parts": [{"text": client.text()}]}]}
    return f"/v1beta/models/behind/{client.name()}:{verb}", body, {}


def _ollama(client: Client) -> Asked:
    said = [{"role": "user", "content": client.text()}]
    return "/api/chat", {"model": "echo", "messages": said, "stream": client.streams()}, {}


def _tools(client: Client) -> Asked:
    function = {"name": client.name()[:64], "parameters": {"type": "object"}}
    return _chat(client, tools=[{"type": "function", "function": function}], user=client.name())


def _refused(client: Client) -> Asked:
    asked: tuple[Asked, ...] = (
        _chat(client, messages=[]),
        _chat(client, model=client.name()),
        (CHAT, b'{"model": ', {}),
        (f"/{client.name()}", {}, {}),
        (CHAT, chat(), {"authorization": "Basic " + client.name()}),
        (CHAT, chat(), {"content-encoding": client.name()}),
    )
    return client.rng.choice(asked)


def _managed(client: Client) -> Asked:
    path = client.rng.choice(("/metrics", "/api/sessions", "/api/monitoring/health", "/v1/models"))
    return path, None, {}


MIX: Final[tuple[Callable[[Client], Asked], ...]] = (
    _plain, _cached, _model, _model, _session, _session, _field, _stored, _repeat, _messages,
    _gemini, _ollama, _tools, _refused, _managed,
)  # fmt: skip


class Load:
    """All clients, until the block ends."""

    def __init__(self, gateway: Served) -> None:
        numbers = itertools.count()
        self._ended = threading.Event()
        self._clients = [Client(gateway, number, numbers) for number in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in self._clients]
        self.broke: list[str] = []

    @property
    def told(self) -> Counter[int]:
        """Answers by status, so far."""
        return sum((one.told.copy() for one in self._clients), Counter[int]())

    def _run(self, client: Client) -> None:
        while not self._ended.is_set():
            try:
                client.turn()
            except OSError as error:
                self.broke.append(repr(error))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def attack(folder: Path, *, minutes: float, say: Callable[[object], None]) -> Iterator[Verdict]:
    """One verdict for each figure; `say` is told of samples as they are taken."""
    behind, own = folder / "behind", folder / "own"
    behind.mkdir()
    own.mkdir()
    samples: list[Sample] = []
    with (
        served(behind, BEHIND) as provider,
        served(own, CONFIG.format(url=provider.url)) as gateway,
    ):
        began_s = time.monotonic()
        say(look(gateway, own, at_s=0.0, requests=0))
        fill(gateway)
        say(f"filled after {time.monotonic() - began_s:.0f} s")
        began_s = time.monotonic()
        with Load(gateway) as load:
            while not samples or samples[-1].at_s < minutes * 60:
                time.sleep(EVERY_S)
                at_s, requests = time.monotonic() - began_s, load.told.total()
                samples.append(look(gateway, own, at_s=at_s, requests=requests))
                if len(samples) % SAID_EVERY == 1:
                    say(samples[-1])
    yield _answered(load)
    judged = [one for one in samples if one.at_s >= samples[-1].at_s * WARM]
    for name, growth in BOUNDS.items():
        yield grown(name, growth, judged)


def look(gateway: Served, folder: Path, *, at_s: float, requests: int) -> Sample:
    usage, spool = usage_of(gateway), 0
    for segment in (folder / "data" / "spool").iterdir():
        with contextlib.suppress(FileNotFoundError):  # drained since
            spool += segment.stat().st_size
    return Sample(
        at_s=at_s,
        requests=requests,
        rss_mb=usage.rss_bytes / MB,
        descriptors=usage.descriptors,
        tasks=int(metric(gateway, "omniroute_tasks")),
        spool_mb=spool / MB,
    )


def _answered(load: Load) -> Verdict:
    told = load.told
    figure = ", ".join(f"{count} with {status}" for status, count in sorted(told.items()))
    if load.broke:
        figure += f"; {len(load.broke)} not answered: {load.broke[0]}"
    held = not load.broke and told[200] > 0 and not any(status >= 500 for status in told)
    return Verdict(name="soak: answers", held=held, figure=figure)


def grown(name: str, growth: Growth, samples: list[Sample]) -> Verdict:
    """From the median of the first third to that of the last, so that one high sample is none."""
    third = len(samples) // 3
    if third == 0:
        return Verdict(name=f"soak: {name}", held=False, figure="too short to tell")
    first, last = samples[:third], samples[-third:]
    level = median(map(growth.of, last))
    rise = level - median(map(growth.of, first))
    hours = (median(one.at_s for one in last) - median(one.at_s for one in first)) / 3600
    told = f"{level:.1f}, {rise:+.1f} in {hours * 60:.1f} minutes ({rise / hours:+.0f} an hour)"
    return Verdict(
        name=f"soak: {name}",
        held=rise <= max(growth.per_hour * hours, growth.at_least),
        figure=told,
    )
