"""What `echo` says to a request for vectors, as a pure function of the parsed body.

Each word adds to a few places of the vector, so that texts with the same words are near each other.
"""

from __future__ import annotations

import base64
import math
import struct
from hashlib import blake2b
from typing import Any, Final, cast

from omniroute.upstream.echo_answer import EchoRefusal, text_tokens

DIMENSIONS: Final = 256
MAX_DIMENSIONS: Final = 4096
MAX_INPUTS: Final = 2048
_PLACES: Final = 4  # of a word


def answer_vectors(request: dict[str, Any]) -> dict[str, Any]:
    """The answer, in OpenAI's format. Raises EchoRefusal for a body that holds no inputs."""
    inputs = _inputs(request.get("input"))
    size: Any = request.get("dimensions", DIMENSIONS)
    if type(size) is not int or not 1 <= size <= MAX_DIMENSIONS:
        raise EchoRefusal(400, f"dimensions is 1 to {MAX_DIMENSIONS}", "dimensions")
    coded = request.get("encoding_format") == "base64"
    tokens = sum(text_tokens(one) if isinstance(one, str) else len(one) for one in inputs)
    vectors = [_vector(one, size) for one in inputs]
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _base64(vector) if coded else vector,
            }
            for index, vector in enumerate(vectors)
        ],
        "model": request["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _inputs(given: Any) -> list[str | list[int]]:
    if isinstance(given, str):
        return [given]
    items = cast(list[Any], given) if isinstance(given, list) else []
    if items and all(type(item) is int for item in items):
        return [items]
    if not items or len(items) > MAX_INPUTS:
        message = f"input is a text, an array of tokens, or an array of 1 to {MAX_INPUTS} of those"
        raise EchoRefusal(400, message, "input")
    for item in items:
        if not isinstance(item, str) and not _is_tokens(item):
            raise EchoRefusal(400, "an input is a text or an array of tokens", "input")
    return items


def _is_tokens(item: Any) -> bool:
    return (
        isinstance(item, list)
        and bool(cast(list[Any], item))
        and all(type(token) is int for token in cast(list[Any], item))
    )


def _vector(given: str | list[int], size: int) -> list[float]:
    """Of length 1; each number is one that 32 bits hold, so that base64 loses nothing."""
    words = given.lower().split() if isinstance(given, str) else [str(token) for token in given]
    sums = [0.0] * size
    for word in words or [""]:
        digest = blake2b(word.encode("utf-8", "replace"), digest_size=8 * _PLACES).digest()
        for place, sign in struct.iter_unpack("<Ii", digest):
            sums[place % size] += 1.0 if sign >= 0 else -1.0
    length = math.sqrt(sum(value * value for value in sums)) or 1.0
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *(v / length for v in sums))))


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
