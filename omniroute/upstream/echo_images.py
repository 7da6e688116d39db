"""What `echo` says to a request for pictures, as a pure function of the parsed body.

A picture is a square of one colour, which depends on the prompt and on its place in the answer.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from omniroute.upstream.echo_answer import EchoRefusal, text_tokens

MAX_IMAGES: Final = 10
MAX_PARTIAL: Final = 3
_SIDE: Final = 8  # pixels


def answer_images(request: dict[str, Any], created: int) -> dict[str, Any]:
    """The answer, in OpenAI's format. Raises EchoRefusal for a body that asks for no picture."""
    prompt = _prompt(request)
    count = _count(request, "n", MAX_IMAGES, 1)
    linked = request.get("response_format") == "url"
    coded = [base64.b64encode(_png(prompt, at)).decode() for at in range(count)]
    return {
        "created": created,
        "data": [
            {"url": f"data:image/png;base64,{one}"} if linked else {"b64_json": one}
            for one in coded
        ],
        "usage": _usage(prompt, count),
    }


def stream_images(request: dict[str, Any], created: int) -> Iterator[dict[str, Any]]:
    """The events of one picture, in OpenAI's format. Raises EchoRefusal as `answer_images`."""
    prompt = _prompt(request)
    partial = _count(request, "partial_images", MAX_PARTIAL, 0)
    if _count(request, "n", MAX_IMAGES, 1) > 1:
        raise EchoRefusal(400, "one picture alone comes in events", "n")
    about = {"created_at": created, "size": f"{_SIDE}x{_SIDE}", "quality": "low"}
    about |= {"background": "opaque", "output_format": "png"}

    def event(name: str, seed: int, more: dict[str, Any]) -> dict[str, Any]:
        picture = base64.b64encode(_png(prompt, seed)).decode()
        return {"type": f"image_generation.{name}", "b64_json": picture, **about, **more}

    events = [event("partial_image", at + 1, {"partial_image_index": at}) for at in range(partial)]
    return iter([*events, event("completed", 0, {"usage": _usage(prompt, 1)})])


def _prompt(request: dict[str, Any]) -> str:
    prompt: Any = request.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise EchoRefusal(400, "prompt is a text", "prompt")
    return prompt


def _count(request: dict[str, Any], name: str, most: int, least: int) -> int:
    count: Any = request.get(name)
    if count is None:
        return least
    if type(count) is not int or not least <= count <= most:
        raise EchoRefusal(400, f"{name} is {least} to {most}", name)
    return count


def _usage(prompt: str, count: int) -> dict[str, Any]:
    tokens = text_tokens(prompt)
    return {
        "input_tokens": tokens,
        "input_tokens_details": {"text_tokens": tokens, "image_tokens": 0},
        "output_tokens": count,
        "total_tokens": tokens + count,
    }


def _png(prompt: str, seed: int) -> bytes:
    colour = blake2b(f"{seed} {prompt}".encode("utf-8", "replace"), digest_size=3).digest()
    rows = (b"\0" + colour * _SIDE) * _SIDE
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
