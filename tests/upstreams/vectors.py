"""Vectors of the fake providers: made of the input alone, so that all of them give the same."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any, cast

from tests.upstreams.seen import refuse

SIZE = 4


def vector(given: str | list[int], size: int | None = None) -> list[float]:
    """Numbers that 32 bits hold exactly."""
    digest = hashlib.shake_128(repr(given).encode()).digest(size or SIZE)
    return [(byte + 1) / 256 for byte in digest]


def coded(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def tokens_of(inputs: list[Any]) -> int:
    return sum(len(one.split()) if isinstance(one, str) else len(one) for one in inputs)


def check_keys(body: dict[str, Any], *known: str) -> None:
    for name in body:
        if name not in known:
            raise refuse(f'Unknown name "{name}": Cannot find field.', param=name)


def openai_inputs(given: Any) -> list[Any]:
    """The inputs of a body of OpenAI's: 1 to 2048, none of them empty."""
    if isinstance(given, str):
        inputs: list[Any] = [given]
    else:
        inputs = cast("list[Any]", given)
        if inputs and isinstance(inputs[0], int):
            inputs = [inputs]
    if not 1 <= len(inputs) <= 2048:
        raise refuse("Invalid 'input': array has to have 1 to 2048 items", param="input")
    if any(not one for one in inputs):
        raise refuse("Invalid 'input': input cannot be an empty string.", param="input")
    return inputs
