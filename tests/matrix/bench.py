"""A gateway with a strict provider of every format behind it, and every SDK in front of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from tests import running as gateway
from tests.sdk.all import SDKS
from tests.sdk.told import Conversation, Talker, Wish
from tests.upstreams import server
from tests.upstreams.server import Upstream

CONFIG: Final = """
version: 1
cache: {exact: {enabled: false}}
idempotency: {window: 0s}
resilience:
  retry: {attempts: 1}
  breaker: {failures: 0}
  cooldown: {rate_limited: 0s, error: 0s, auth: 0s}
"""

FORMATS: Final = tuple(
    name for name in SDKS if (Path(__file__).parents[2] / "translators" / f"{name}.yaml").exists()
)
"""What there is a table for and an SDK to talk through."""
PROVIDER: Final = """
  up-{name}:
    format: {name}
    base_url: {url}
    allow_private_network: true
    connections: {{main: {{api_key: "${{env:HOME}}"}}}}
"""


class Bench:
    """One gateway in front of all fake providers; shared by the tests of a module."""

    def __init__(
        self, url: str, upstreams: Mapping[str, Upstream], talkers: Mapping[str, Talker]
    ) -> None:
        self.url = url
        self.upstreams = upstreams
        self.talkers = talkers


class Pair:
    """An SDK, and the provider that its requests end at."""

    def __init__(self, bench: Bench, client: str, upstream: str, *, stream: bool) -> None:
        self.client = client
        self.upstream = upstream
        self.stream = stream
        self.provider = bench.upstreams[upstream]
        self.provider.forget()
        self._talker = bench.talkers[client]

    def start(self, wish: Wish) -> Conversation:
        """`wish.model` is the provider's; the gateway is asked for it by its provider."""
        return self._talker.start(wish.at(f"up-{self.upstream}/{wish.model}", stream=self.stream))


@asynccontextmanager
async def bench(folder: Path, formats: Iterable[str] = FORMATS) -> AsyncGenerator[Bench]:
    async with AsyncExitStack() as stack:
        upstreams = {
            name: await stack.enter_async_context(server.running(name)) for name in formats
        }
        text = CONFIG + "providers:\n"
        for name, upstream in upstreams.items():
            text += PROVIDER.format(name=name, url=upstream.url)
        served = await stack.enter_async_context(gateway.running(folder, text))
        talkers = {
            name: await stack.enter_async_context(SDKS[name].open(served.url)) for name in formats
        }
        yield Bench(served.url, upstreams, talkers)
