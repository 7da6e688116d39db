"""What a body costs grows as the body does, whatever of it there is much of."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator
from typing import Any, Final

import orjson
import pytest

from omniroute.errors import TranslationError
from tests.abuse.shapes import SHAPES
from tests.translation.tables import formats, target

FEW: Final = 500
TIMES: Final = 8
"""Eight times as much takes eight times as long where it is linear, 64 times where it is not."""
AT_MOST: Final = 24.0
TRIES: Final = 3


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """A collection costs what lives in the process, not what is measured."""
    gc.disable()
    yield
    gc.enable()


def _seconds(client: str, upstream: str, body: dict[str, Any]) -> float:
    """Of this thread's processor time: others on the machine are not counted."""
    raw = orjson.dumps(body)
    body = orjson.loads(raw)
    pair, side = formats().pair(client, upstream), formats().client(client)
    started = time.thread_time()
    side.facts(body)
    side.question(body)
    with contextlib.suppress(TranslationError):
        pair.request(body, raw, target())
    return time.thread_time() - started


@pytest.mark.parametrize("name", SHAPES)
def test_translation_is_linear(name: str) -> None:
    shape = SHAPES[name]
    few, many = shape.body(FEW), shape.body(FEW * TIMES)
    for upstream in formats().speaking["chat"]:
        grew: list[float] = []
        for _ in range(TRIES):
            once = _seconds(shape.client, upstream, few)
            grew.append(_seconds(shape.client, upstream, many) / max(once, 1e-4))
            if grew[-1] <= AT_MOST:
                break
        assert min(grew) <= AT_MOST, f"{name} to {upstream}: {grew}"
